"""Animations as files: GIF, MP4, or a contact strip as PNG."""

import importlib.util
import io
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pnr_jax import figures
from pnr_jax.errors import UserError
from pnr_jax.files import replacing
from pnr_jax.keypoints import draw_skeleton
from pnr_jax.paths import to_path

STRIP = 12  # Maximum number of frames in a contact strip.


def check_output(path: str | Path) -> None:
    """Raises a `UserError` early if `write_animation` will not be able to write the file."""
    suffix = Path(path).suffix
    if suffix not in (".gif", ".mp4", ".png"):
        raise UserError(f"`output={path}`: the suffix must be .gif, .mp4 or .png (contact strip)")
    if suffix == ".mp4" and not importlib.util.find_spec("imageio_ffmpeg"):
        raise UserError(
            f"`output={path}`: MP4 needs FFmpeg; pip install imageio-ffmpeg, or write a .gif"
        )


def write_animation(path: str | Path, images: np.ndarray, poses: np.ndarray, fps: float) -> None:
    """Writes an animation in the format that the suffix selects: .gif, .mp4, or .png (strip).

    Args:
      path: the output file; after an error it is not left half-written.
      images: uint8 [T, H, W, 3]; small ones are enlarged by an integer factor.
      poses: int [T, 18, 2], shown in the contact strip.
      fps: frames per second.

    Raises:
      UserError: the suffix is another one, or FFmpeg is missing for an .mp4 or fails to write it.
    """
    check_output(path)
    path = to_path(path)
    if path.suffix == ".png":
        figures.save_png(path, contact_strip(images, poses))
        return
    frames = [figures.enlarge(image) for image in images]
    with replacing(path) as temporary:
        if path.suffix == ".gif":
            temporary.write_bytes(to_gif(frames, 1000 / fps))
        else:
            _write_mp4(temporary, frames, fps)


def contact_strip(images: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Returns up to 12 evenly spaced frames, each below its pose: uint8 [height, width, 3]."""
    chosen = np.unique(np.linspace(0, len(images) - 1, STRIP).round().astype(int))
    drawn = draw_skeleton(images.shape[1:3], poses[chosen])
    return figures.sheet(
        [(str(i + 1), np.stack([pose, images[i]])) for i, pose in zip(chosen, drawn, strict=True)]
    )


def to_gif(frames: Sequence[np.ndarray], milliseconds: float) -> bytes:
    """Returns a GIF that loops.

    Args:
      frames: uint8 [H, W, 3] each.
      milliseconds: how long each is shown. GIF counts hundredths of a second, so some frames are
        shown for one hundredth longer than others, and the total is correct.
    """
    # One palette for all frames: with one per frame, static parts of the picture flicker.
    pixels = np.concatenate([frame[::2, ::2] for frame in frames])
    palette = Image.fromarray(pixels).quantize(256)
    first, *others = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in frames
    )
    ends = np.round(np.arange(len(frames) + 1) * milliseconds / 10).astype(int)
    delays = (10 * np.diff(ends)).tolist()
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=delays, loop=0)
    return file.getvalue()


def _write_mp4(path: Path, frames: Sequence[np.ndarray], fps: float) -> None:
    import imageio_ffmpeg  # An extra: `pip install pnr-jax[video]`.

    height, width = frames[0].shape[:2]
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps)]
    # Players require 4:2:0 colour, which needs even sides; all sizes here are even.
    target = ["-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y"]
    # Not imageio_ffmpeg's own writer: it forks, which a process with JAX's threads should not.
    pixels = b"".join(frame.tobytes() for frame in frames)
    command = [*program, *source, "-i", "-", *target, str(path)]
    done = subprocess.run(command, input=pixels, stderr=subprocess.PIPE)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        # The first line gives the cause, the others its consequences.
        raise UserError(f"FFmpeg could not write the .mp4 ({said[0][:200]}); write a .gif instead")

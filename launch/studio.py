"""Opens the studio: a web page on this machine to pose people by hand.

python launch/studio.py                               # the model that comes with the package
python launch/studio.py --workdir=runs/quickstart
"""

import socket
from concurrent.futures import ThreadPoolExecutor

from absl import flags

from pnr_jax import cli, config
from pnr_jax.errors import UserError

WORKDIR = flags.DEFINE_string("workdir", "people", "Folder of the run, 'people', hf://OWNER/REPO.")
WORKDIR_LSE = flags.DEFINE_string(
    "workdir_lse", None, "Folder of a second run to compare with; else the first one's networks."
)
POSE_MODEL = flags.DEFINE_string("pose_model", None, "Pose estimator's file, for own photos.")
HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen at; loopback by default.")
PORT = flags.DEFINE_integer("port", 8000, "Port to listen at.", lower_bound=1, upper_bound=65535)
ALLOW_HOST = flags.DEFINE_multi_string(
    "allow_host", [], "Another name that browsers may reach it by; may be repeated."
)

PEOPLE = 8  # Embedded people on the page, whom training has not seen.


def main() -> None:
    """Serves until Ctrl-C."""
    try:
        import uvicorn

        from pnr_jax import studio
        from pnr_jax.studio.gallery import Gallery
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is missing: pip install 'pnr-jax[studio]'") from None
    listener = _listen(HOST.value, PORT.value)  # A browser that comes early waits.
    models = studio.load_models(WORKDIR.value, WORKDIR_LSE.value)
    first, seed = config.read_config(WORKDIR.value).data.drawn_people()
    gallery = Gallery(range(first, first + PEOPLE), models[0].image_size, seed)
    estimator = None
    if POSE_MODEL.value is not None:
        from pnr_jax import pose_estimation

        estimator = pose_estimation.load_estimator(POSE_MODEL.value)
    print("compiling ...", flush=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(studio.StudioModel.warm_up, models))
    app = studio.create_app(models, gallery, estimator, HOST.value, PORT.value, ALLOW_HOST.value)
    host = f"[{HOST.value}]" if ":" in HOST.value else HOST.value
    print(f"the studio is open at http://{host}:{PORT.value}/ (Ctrl-C closes it)", flush=True)
    settings = uvicorn.Config(app, log_level="warning", limit_concurrency=50)
    uvicorn.Server(settings).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(
            f"cannot listen at --host={host} --port={port} ({error.strerror}); choose another"
        ) from None


if __name__ == "__main__":
    cli.run(main)

"""A trained model for others: weights, programs and a card, which need JAX but not this package."""

from pathlib import Path

from pnr_jax import box
from pnr_jax import config as config_lib
from pnr_jax.checkpoints import check_folder, export_model, load_model
from pnr_jax.errors import UserError
from pnr_jax.export.card import model_card
from pnr_jax.export.programs import PLATFORMS, export_programs
from pnr_jax.export.tensorflow import check_tensorflow, save_tensorflow
from pnr_jax.files import Staging, replacing, write_text
from pnr_jax.paths import absolute, is_remote, remove_tree

__all__ = ["export_programs", "export_run", "model_card", "save_tensorflow"]


def export_run(
    workdir: Path,
    output: Path,
    name: str = "model",
    tensorflow: bool = False,
    safetensors: bool = False,
) -> list[Path]:
    """Writes a run's model to a new folder, whole or not at all; in a bucket, README.md last.

    Args:
      workdir: the run's folder, or a model's name (`pnr_jax.box.find`).
      output: the folder, which must not exist.
      name: "model" (the latest) or "model_best".
      tensorflow: whether to write `render` as a TensorFlow SavedModel too.
      safetensors: whether to write the weights as `model.safetensors` too, float32, and the Hugging
        Face Hub's front matter into the card; `PoseTransfer.load` reads such a folder.

    Returns:
      The paths in the folder.

    Raises:
      UserError: there is no model in `workdir`, `output` exists, TensorFlow is asked for and
        missing, or the device is not a CPU.
    """
    check_folder(output)
    # README.md is the last file that a bucket gets.
    if (output / "README.md" if is_remote(output) else output).exists():
        raise UserError(f"`output={output}`: exists already; choose a folder that does not")
    if tensorflow:
        check_tensorflow()
    workdir = box.find(workdir)
    config = config_lib.read_config(workdir)
    # Folders of this machine are nobody else's business.
    config = config.replace(data_dir="", vgg19="", init_from="")
    system, variables = config.build_system(), load_model(workdir, name)
    if tensorflow and not system.encodes:
        raise UserError(
            f"`tensorflow`: {system.title} has no `render` half to write as a SavedModel; "
            "export without it"
        )
    programs = export_programs(system, variables)
    # In a bucket nothing can be renamed.
    temporary = absolute(output if is_remote(output) else output.with_name(f".{output.name}.new"))
    remove_tree(temporary)  # Of a process that was killed.
    try:
        export_model(temporary, variables)
        config_lib.write_config(config, temporary)
        for program, exported in programs.items():
            with replacing(temporary / f"{program}.jax_export") as file:
                file.write_bytes(exported.serialize())
        if tensorflow:
            with Staging(temporary / "saved_model") as staging:
                save_tensorflow(system, variables, staging.path)
        if safetensors:
            box.save_weights(temporary / box.WEIGHTS, variables, "float32")
        card = model_card(
            config,
            variables,
            workdir,
            name,
            PLATFORMS,
            saved_model=tensorflow,
            safetensors=safetensors,
        )
        write_text(temporary / "README.md", card)
        if temporary != output:
            temporary.rename(output)
    except BaseException:
        remove_tree(temporary)
        raise
    return sorted(output.iterdir())

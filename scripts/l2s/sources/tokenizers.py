"""A model's tokenizer without its weights: the few files of it that count tokens."""

from pathlib import Path

from l2s.checkpoints.model_entry import split_source
from l2s.errors import UserError

TOKENIZER = "tokenizer.json"
FILES = [TOKENIZER, "tokenizer_config.json", "special_tokens_map.json"]


def local_tokenizer_files(source: str) -> list[str]:
    """Return the files that a tokenizer outside the hub is read from; none if it is of the hub.

    Args:
        source: As for tokenizer_folder.
    """
    place = split_source(source)
    if not isinstance(place, Path):
        return []
    folder = _local_folder(place)
    return [str(folder / name) for name in FILES if (folder / name).is_file()]


def tokenizer_folder(source: str, where: str) -> Path:
    """Return the folder with a tokenizer, downloaded if it is of the hub.

    Args:
        source: ``repo@revision`` of the hub, a local folder, or the path of a ``tokenizer.json``.
        where: What errors call who asks.

    Raises:
        UserError: There is none, or it cannot be downloaded.
    """
    place = split_source(source)
    if isinstance(place, Path):
        folder = _local_folder(place)
    else:
        # Imported here, as it takes half a second and the rules read this module.
        from huggingface_hub import snapshot_download

        repo, revision = place
        try:
            folder = Path(snapshot_download(repo, revision=revision, allow_patterns=FILES))
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"{where}: the tokenizer of {source} could not be downloaded ({reason})") from None
    if not (folder / TOKENIZER).is_file():
        raise UserError(f"{where}: key 'tokenizer': there is no {folder / TOKENIZER}; correct it")
    return folder


def _local_folder(place: Path) -> Path:
    return place.parent if place.name == TOKENIZER else place

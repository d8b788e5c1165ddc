"""Write the conda environments that the rules name, from the locks: pip's pins, listed one by one.

Snakemake copies an environment's file elsewhere before it is used, so it cannot refer to a lock beside it.
"""

from pathlib import Path

HEAD = """# For `snakemake --software-deployment-method conda`; made from envs/{lock}.txt by `make lock`.
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def main() -> None:
    """Write cpu.yaml and cuda.yaml beside the locks."""
    folder = Path(__file__).resolve().parent
    for lock in ("cpu", "cuda"):
        pins = [line.strip() for line in (folder / f"{lock}.txt").read_text().splitlines() if line.strip()]
        text = HEAD.format(lock=lock) + "".join(f"      - {pin}\n" for pin in pins)
        (folder / f"{lock}.yaml").write_text(text)


if __name__ == "__main__":
    main()

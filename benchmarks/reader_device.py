"""Carry a reader's run to a machine that nothing can be fetched on, in parcels of bounded size.

    python -m benchmarks.reader_device --base model.gguf --run RUN --out .carry [--max-mib 48]

RUN is a folder of `cimiento train reader --encode-only`. Every parcel is a folder of its own: parts
of the weights, and with the last one the encoded examples. On the other machine each parcel is kept
by `parcel.sh keep`, and the last call trains and leaves the adapter with its cards in the folder
that it is given:

    bash .carry/parcel.sh keep .carry/1
    bash .carry/parcel.sh keep .carry/2 && bash .carry/parcel.sh train RESULT --minutes 7
"""

import argparse
import hashlib
import shutil
from pathlib import Path
from typing import Final

_SCRIPT: Final = """\
#!/usr/bin/env bash
# keep FOLDER: put a parcel aside. train RESULT [OPTION]...: join them, learn, copy what is small.
set -euo pipefail
kept=/tmp/reader-parcels
case "$1" in
keep)
    mkdir -p "$kept" && cp -r "$2"/. "$kept"/
    ;;
train)
    result=$2
    shift 2
    cat $(ls "$kept"/part-* | sort) > "$kept/base.gguf"
    echo "{sha256}  $kept/base.gguf" | sha256sum --check --quiet
    mkdir -p "$kept/run/training"
    cp -r "$kept/tokens" "$kept/run/training/"
    python3 -m generation.training.reader.finetuning --examples none \\
        --base "$kept/base.gguf" --out "$kept/run" --resume --device auto {options} "$@" \\
        2>&1 | tee "$result/log.txt"
    cd "$kept/run"
    cp adapter.safetensors README.md DATA.md loss.csv loss.svg metric.svg "$result"
    ;;
esac
"""


def main() -> None:
    """Cut and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="the model's file")
    parser.add_argument("--run", type=Path, required=True, help="folder of encoded examples")
    parser.add_argument("--out", type=Path, required=True, help="folder for the parcels")
    parser.add_argument("--max-mib", type=int, default=48, help="size of a part")
    parser.add_argument("--options", default="", help="options of every run there")
    options = parser.parse_args()
    content = options.base.read_bytes()
    size = options.max_mib << 20
    starts = range(0, len(content), size)
    shutil.rmtree(options.out, ignore_errors=True)
    for number, start in enumerate(starts, start=1):
        parcel = options.out / str(number)
        parcel.mkdir(parents=True)
        (parcel / f"part-{number:02}").write_bytes(content[start : start + size])
    shutil.copytree(options.run / "training" / "tokens", parcel / "tokens")
    digest = hashlib.sha256(content).hexdigest()
    script = _SCRIPT.replace("{sha256}", digest).replace("{options}", options.options)
    (options.out / "parcel.sh").write_text(script, encoding="utf-8")
    for number in range(1, len(starts) + 1):
        print(f"bash {options.out}/parcel.sh keep {options.out}/{number}")
    print(f"bash {options.out}/parcel.sh train RESULT --minutes 7")


if __name__ == "__main__":
    main()

"""The data to measure with: the same bytes for the same seed, on any machine."""

import random
import shutil
from pathlib import Path

# Files in one directory.
PER_DIRECTORY = 1000
# Bytes of the largest file of a tree where nothing else is said; the smallest has a twentieth of that.
LARGEST = 20_000
MIB = 1 << 20


def make_tree(directory: Path, files: int, seed: int, largest: int = LARGEST) -> None:
    """Files of up to `largest` bytes, half of them text and half of them noise. A tree that is there already stays."""
    done = directory.with_name(directory.name + ".done")
    if done.exists():
        return
    shutil.rmtree(directory, ignore_errors=True)
    source = random.Random(seed)
    text = words(source, 4 * MIB)
    for number in range(files):
        if number % PER_DIRECTORY == 0:
            place = directory / f"d{number // PER_DIRECTORY:04}"
            place.mkdir(parents=True)
        (place / name(number)).write_bytes(content(source, text, number, largest))
    done.touch()


def name(number: int) -> str:
    return f"f{number:07}.{'bin' if number % 2 else 'txt'}"


def content(source: random.Random, text: bytes, number: int, largest: int) -> bytes:
    size = source.randint(largest // 20, largest)
    if number % 2:
        return source.randbytes(size)
    start = source.randrange(len(text) - size)
    return b"%d\n" % number + text[start : start + size]


def words(source: random.Random, size: int) -> bytes:
    """Text that compresses about as prose and tables do."""
    letters = "etaoinshrdlucmfw"
    vocabulary = ["".join(source.choices(letters, k=source.randint(2, 9))) for _ in range(3000)]
    lines, length = [], 0
    while length < size:
        line = " ".join(source.choices(vocabulary, k=10)) + f",{source.random():.6f},{source.randrange(100000)}\n"
        lines.append(line)
        length += len(line)
    return "".join(lines).encode()


def change_some(directory: Path, share: float, seed: int, largest: int = LARGEST) -> int:
    """Writes new content into this share of the files of a tree, as an editor does: beside, then renamed."""
    source = random.Random(seed)
    paths = sorted(path for path in directory.rglob("*") if not path.is_dir() and not path.name.endswith(".new"))
    changed = source.sample(paths, max(1, round(len(paths) * share)))
    for path in changed:
        beside = path.with_name(path.name + ".new")
        beside.write_bytes(source.randbytes(source.randint(largest // 20, largest)))
        beside.rename(path)
    return len(changed)


def make_noise(path: Path, size: int, seed: int) -> None:
    """One file that nothing compresses."""
    if path.exists() and path.stat().st_size == size:
        return
    source = random.Random(seed)
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(source.randbytes(min(MIB, size - start)))


def rows(source: random.Random, size: int) -> bytes:
    """Lines of a CSV file, none like another."""
    lines, length = [], 0
    while length < size:
        values = ",".join(f"{source.gauss(0, 1):.5f}" for _ in range(8))
        line = f"{source.randrange(10**9)},{values},{source.choice(('yes', 'no'))}\n"
        lines.append(line)
        length += len(line)
    return "".join(lines).encode()


def make_csv(path: Path, size: int, seed: int) -> None:
    if path.exists() and path.stat().st_size >= size:
        return
    source = random.Random(seed)
    with path.open("wb") as file:
        file.write(b"id,a,b,c,d,e,f,g,h,label\n")
        while file.tell() < size:
            file.write(rows(source, min(MIB, size - file.tell())))


def append_to_csv(path: Path, share: float, seed: int) -> None:
    source = random.Random(seed)
    left = int(path.stat().st_size * share)
    with path.open("ab") as file:
        while left > 0:
            file.write(more := rows(source, min(MIB, left)))
            left -= len(more)


def edit_csv(path: Path, places: int, seed: int) -> None:
    """Puts a new line into this many places, so that all that follows moves."""
    source = random.Random(seed)
    size = path.stat().st_size
    starts = sorted(source.randrange(size) for _ in range(places))
    beside = path.with_name(path.name + ".new")
    with path.open("rb") as old, beside.open("wb") as new:
        for start in starts:
            while old.tell() < start:
                new.write(old.read(min(MIB, start - old.tell())))
            new.write(old.readline())
            new.write(rows(source, 1))
        shutil.copyfileobj(old, new, MIB)
    beside.rename(path)

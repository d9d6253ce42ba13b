"""Asks a model in a process of its own: mlx starts this, sends requests over a socket and reads answers.

A message is 4 bytes with the length of its JSON, 8 bytes with the length of what follows it (both little-endian), the JSON,
and the elements of the tensors in binary, as in the binary extension of the Open Inference Protocol.
"""

import array
import importlib.util
import inspect
import json
import os
import platform
import socket
import struct
import sys
import traceback

try:
    import numpy
except ImportError:
    numpy = None

# Datatype -> type code of `array` and `struct`.
CODES = {
    "BOOL": "B", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "INT8": "b", "INT16": "h", "INT32": "i",
    "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d",
}
# Datatype -> type of NumPy, little-endian.
DTYPES = {
    name: numpy.dtype("?") if name == "BOOL" else numpy.dtype(code).newbyteorder("<") for name, code in CODES.items()
} if numpy is not None else {}
# Kind and size of a NumPy type -> datatype.
KINDS = {
    "b1": "BOOL", "u1": "UINT8", "u2": "UINT16", "u4": "UINT32", "u8": "UINT64", "i1": "INT8", "i2": "INT16",
    "i4": "INT32", "i8": "INT64", "f2": "FP16", "f4": "FP32", "f8": "FP64",
}


class BadAnswer(Exception):
    """What `predict` gave is no tensor."""


def receive(stream, size):
    """As many bytes as that; `None` where mlx is gone."""
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = stream.readinto(view)
        if count == 0:
            return None
        view = view[count:]
    return data


def read(stream):
    head = receive(stream, 12)
    if head is None:
        return None
    lengths = struct.unpack("<IQ", head)
    parts = [receive(stream, length) for length in lengths]
    return None if None in parts else (json.loads(parts[0]), parts[1])


def send(connection, message, parts=()):
    text = json.dumps(message).encode()
    head = struct.pack("<IQ", len(text), sum(len(part) for part in parts))
    connection.sendall(b"".join([head, text, *parts]))


def strings(data):
    found, place = [], 0
    while place < len(data):
        (length,) = struct.unpack_from("<I", data, place)
        found.append(bytes(data[place + 4 : place + 4 + length]))
        place += 4 + length
    try:
        return [value.decode() for value in found]
    except UnicodeDecodeError:
        return found


def nested(values, shape):
    if len(shape) <= 1:
        return values if shape else values[0]
    inner = 1
    for length in shape[1:]:
        inner *= length
    return [nested(values[i * inner : (i + 1) * inner], shape[1:]) for i in range(shape[0])]


def decode(tensor, data):
    """An array of NumPy; without NumPy, lists."""
    datatype, shape = tensor["datatype"], tensor["shape"]
    if datatype == "BYTES":
        values = strings(data)
        if numpy is None:
            return nested(values, shape)
        filled = numpy.empty(len(values), dtype=object)
        filled[:] = values
        return filled.reshape(shape)
    if numpy is not None:
        return numpy.frombuffer(data, dtype=DTYPES[datatype]).reshape(shape)
    if datatype == "FP16":
        values = list(struct.unpack(f"<{len(data) // 2}e", data))
    else:
        values = array.array(CODES[datatype], bytes(data))
        if sys.byteorder == "big":
            values.byteswap()
        values = [value == 1 for value in values] if datatype == "BOOL" else values.tolist()
    return nested(values, shape)


def encode_strings(values):
    parts = []
    for value in values:
        data = value if isinstance(value, (bytes, bytearray)) else str(value).encode()
        parts += [struct.pack("<I", len(data)), bytes(data)]
    return b"".join(parts)


def encode(value, wanted=None):
    """Datatype, shape and bytes of what may be an array of NumPy, of PyTorch, of pandas, or lists; in the datatype that
    is declared, if one is."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if not hasattr(value, "dtype") or not hasattr(value, "tobytes"):
        if hasattr(value, "to_numpy"):
            value = value.to_numpy()
        elif hasattr(value, "numpy"):
            value = value.numpy()
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):
        shape = list(value.shape)
        if wanted in CODES and value.dtype.kind in "biuf":
            value = cast(value, wanted)
        kind = f"{value.dtype.kind}{value.dtype.itemsize}"
        if kind in KINDS:
            # The bytes come in row-major order whatever the array's own is.
            return KINDS[kind], shape, value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
        if value.dtype.kind in "USO":
            return "BYTES", shape, encode_strings(value.ravel().tolist())
        raise BadAnswer(f"an array of {value.dtype}, which no datatype of the protocol stands for")
    return encode_list(value, wanted)


def cast(value, wanted):
    """An array of NumPy in the datatype that is declared, if that can hold its numbers."""
    with numpy.errstate(all="ignore"):
        given = value.astype("?" if wanted == "BOOL" else CODES[wanted])
    if given.dtype == value.dtype:
        return given
    # A fraction may be rounded, and what is too large must not become infinite.
    holds = numpy.isinf(given) == numpy.isinf(value) if given.dtype.kind == "f" else given == value
    if not holds.all():
        raise BadAnswer(f"an array of {value.dtype}, with a number that {wanted}, which is declared, can't hold")
    return given


def encode_list(value, wanted):
    shape, level = [], value
    while isinstance(level, (list, tuple)):
        shape.append(len(level))
        if not level:
            break
        level = level[0]
    values = [value]
    for length in shape:
        if any(not isinstance(item, (list, tuple)) or len(item) != length for item in values):
            raise BadAnswer("lists of different lengths side by side")
        values = [inner for item in values for inner in item]
    values = [item.item() if hasattr(item, "item") else item for item in values]
    if not values and wanted is not None:
        return wanted, shape, b""
    if wanted in CODES and all(item is None or isinstance(item, (int, float)) for item in values):
        if wanted == "BOOL" and any(item not in (0, 1) for item in values):
            raise BadAnswer("a list that holds more than true and false, or 1 and 0")
        numbers = [float("nan") if item is None else item for item in values]
        if not wanted.startswith("FP"):
            numbers = [int(item) if isinstance(item, float) and item.is_integer() else item for item in numbers]
        return wanted, shape, pack(CODES[wanted], numbers)
    if all(isinstance(item, bool) for item in values) and values:
        return "BOOL", shape, bytes(values)
    if all(isinstance(item, int) for item in values) and values:
        return "INT64", shape, pack("q", values)
    if all(item is None or isinstance(item, (int, float)) for item in values):
        return "FP64", shape, pack("d", [float("nan") if item is None else item for item in values])
    if all(isinstance(item, (str, bytes, bytearray)) for item in values):
        return "BYTES", shape, encode_strings(values)
    raise BadAnswer(f"lists that hold {', '.join(sorted({type(item).__name__ for item in values}))}")


def pack(code, values):
    try:
        return struct.pack(f"<{len(values)}{code}", *values)
    except (struct.error, OverflowError) as error:
        raise BadAnswer(f"a number that its datatype can't hold: {error}") from None


def named(result, declared):
    """The outputs by name."""
    if isinstance(result, dict):
        return {str(name): value for name, value in result.items()}
    if hasattr(result, "columns") and hasattr(result, "to_numpy"):
        return {str(name): result[name] for name in result.columns}
    name = declared[0]["name"] if declared and len(declared) == 1 else "output"
    return {name: result}


def tensors(declared):
    """`{"x": "FP32[-1, 4]"}` or the protocol's own form, as the latter; `None` where nothing is declared."""
    if not isinstance(declared, dict):
        return declared
    found = []
    for name, text in declared.items():
        datatype, _, shape = text.partition("[")
        shape = [int(length) for length in shape.rstrip("] ").split(",") if length.strip()]
        found.append({"name": name, "datatype": datatype.strip(), "shape": shape})
    return found


def load(file, name, path):
    sys.path.insert(0, os.path.dirname(file))
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(file))[0], file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    model = getattr(module, name)()
    if hasattr(model, "load"):
        model.load(path)
    return model


def takes_parameters(predict):
    """Whether there is a place for the parameters of a request beside the inputs."""
    try:
        found = inspect.signature(predict).parameters.values()
    except (TypeError, ValueError):
        # What is written in C need not say what it takes.
        return False
    needed = [p for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty]
    return len(needed) > 1


def wants_frame(predict):
    """Whether the first parameter says that it is a DataFrame of pandas."""
    try:
        # Where annotations are kept as text, it is read from Python 3.10 on.
        options = {"eval_str": True} if sys.version_info >= (3, 10) else {}
        first = next(iter(inspect.signature(predict, **options).parameters.values()))
    except Exception:
        # What is written in C has no annotations, and some name what is not there.
        return False
    return getattr(first.annotation, "__name__", "") == "DataFrame" and first.annotation.__module__.startswith("pandas")


def frame(inputs):
    """A column for each input. Text that is empty is missing, as where pandas reads a CSV file."""
    import pandas

    columns = {}
    for name, value in inputs.items():
        if value.dtype == object:
            value = value.copy()
            value[value == ""] = numpy.nan
        if value.ndim == 1:
            columns[name] = value
        else:
            flat = value.reshape(len(value), -1)
            width = flat.shape[1]
            columns.update({name if width == 1 else f"{name}_{place}": flat[:, place] for place in range(width)})
    return pandas.DataFrame(columns)


def main():
    descriptor, file, name, path = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
    connection = socket.socket(fileno=descriptor)
    # A small request is read at once, and a large one to where it stays.
    stream = connection.makefile("rb")
    sys.dont_write_bytecode = True
    try:
        model = load(file, name, path)
        with_parameters, with_frame = takes_parameters(model.predict), wants_frame(model.predict)
    except BaseException as error:
        traceback.print_exc()
        send(connection, {"error": f"{type(error).__name__}: {error}"})
        return 1
    outputs = tensors(getattr(model, "outputs", None))
    ready = {"inputs": tensors(getattr(model, "inputs", None)), "outputs": outputs, "frame": with_frame}
    send(connection, {**ready, "platform": f"python_{platform.python_version()}"})
    wanted = {output["name"]: output["datatype"] for output in outputs or []}
    own = os.getpid()
    while True:
        message = read(stream)
        if message is None:
            return 0
        head, data = message
        answer, parts = {}, []
        try:
            inputs, place = {}, 0
            for tensor in head["inputs"]:
                size = tensor["parameters"]["binary_data_size"]
                inputs[tensor["name"]] = decode(tensor, data[place : place + size])
                place += size
            if with_frame:
                inputs = frame(inputs)
            result = model.predict(inputs, head.get("parameters", {})) if with_parameters else model.predict(inputs)
            described = []
            for output, value in named(result, outputs).items():
                declared = wanted.get(output)
                try:
                    datatype, shape, part = encode(value, declared)
                    if declared not in (None, datatype):
                        raise BadAnswer(f"{datatype}, and declared as {declared}")
                except BadAnswer as error:
                    raise BadAnswer(f"output `{output}` is {error}") from None
                size = {"binary_data_size": len(part)}
                described.append({"name": output, "datatype": datatype, "shape": shape, "parameters": size})
                parts.append(part)
            given = {output["name"] for output in described}
            for output in wanted:
                if output not in given:
                    raise BadAnswer(f"`predict` gave no output `{output}`, which is declared")
            answer = {"outputs": described}
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            parts = []
            if type(error).__name__ == "BadRequest":
                answer = {"bad_request": str(error)}
            else:
                traceback.print_exc()
                sys.stderr.flush()
                answer = {"error": f"{type(error).__name__}: {error}"}
        if os.getpid() != own:
            # A copy that the model made of this process and that came back: only one answers.
            os._exit(0)
        send(connection, {"number": head["number"], **answer}, parts)


sys.exit(main())

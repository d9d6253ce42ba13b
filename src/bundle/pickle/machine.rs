//! The stack machine of pickles, with values that are known just as far as names and sizes depend on them.
//!
//! The instructions are those of Python's `pickletools`; the format of joblib's arrays is that of its `numpy_pickle`: the
//! instruction that fills in a wrapper is followed by the bytes of the array, or by a pickle of its own for one of objects.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use super::Findings;
use super::bytes::{Cursor, Part};

/// The stack holds at most this many values.
const DEEPEST: usize = 1 << 21;
/// So many bytes of names are remembered.
const MOST_REMEMBERED: usize = 64 << 20;
/// A name has at most this many bytes.
const LONGEST_NAME: usize = 255;
/// Arrays of objects that hold arrays of objects nest at most this deep.
const MOST_NESTED: usize = 4;

const WRAPPER: &str = "joblib.numpy_pickle.NumpyArrayWrapper";

#[derive(Clone)]
enum Value {
    Mark,
    /// What names and sizes can't depend on, and what was not kept.
    Other,
    /// Python's `None`.
    Nothing,
    Text(Rc<str>),
    Number(i64),
    Global(Rc<str>),
    /// A short one, whose nested values are not kept.
    Tuple(Rc<[Value]>),
    Dict(Rc<RefCell<Fields>>),
    Type(Rc<ElementType>),
    /// joblib's, before it has its fields.
    Wrapper,
}

/// What a dictionary says of a wrapped array.
#[derive(Default)]
struct Fields {
    shape: Option<Rc<[Value]>>,
    dtype: Option<Rc<ElementType>>,
    alignment: Option<Value>,
}

/// A `numpy.dtype`.
struct ElementType {
    /// Bytes of an element; `None` where it is not told.
    size: Option<u64>,
    has_objects: Cell<bool>,
    is_structure: bool,
}

/// Why the walk ended before its time.
enum Stop {
    /// It makes no sense from here on.
    Malformed(&'static str),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Io(error)
    }
}

use Stop::Malformed;

/// Walks a pickle from where the cursor is; the place behind its end, or `None` where it does not come to one, which is a
/// problem then.
pub fn run(cursor: &mut Cursor<'_>, findings: &mut Findings) -> io::Result<Option<u64>> {
    nested(cursor, findings, 0)
}

fn nested(cursor: &mut Cursor<'_>, findings: &mut Findings, depth: usize) -> io::Result<Option<u64>> {
    let mut machine = Machine { depth, ..Machine::default() };
    match machine.walk(cursor, findings) {
        Ok(()) => Ok(Some(cursor.position)),
        Err(Stop::Io(error)) => Err(error),
        Err(Malformed(what)) => {
            findings.problem(what);
            Ok(None)
        }
    }
}

#[derive(Clone, Default)]
struct Machine {
    stack: Vec<Value>,
    memo: HashMap<u64, Value>,
    /// How many entries the memo of a reader has, those among them that are not kept.
    memo_length: u64,
    remembered: usize,
    /// Where the open frame ends.
    frame_end: u64,
    depth: usize,
    /// Whether bytes behind a wrapper are taken for instructions, as who does not know joblib takes them.
    is_plain: bool,
    was_forked: bool,
}

impl Machine {
    fn walk(&mut self, cursor: &mut Cursor<'_>, findings: &mut Findings) -> Result<(), Stop> {
        loop {
            let start = cursor.position;
            let code = cursor.byte()?.ok_or(Malformed("it is cut off"))?;
            if code == b'.' {
                return match self.stack.pop() {
                    Some(value) if !matches!(value, Value::Mark) => Ok(()),
                    _ => Err(Malformed("it ends without a value")),
                };
            }
            self.step(code, cursor, findings)?;
            if self.stack.len() > DEEPEST {
                return Err(Malformed("its stack is too deep to look into"));
            }
            if start < self.frame_end && cursor.position > self.frame_end && code != 0x95 && code != b'b' {
                return Err(Malformed("an instruction of it leads out of its frame"));
            }
        }
    }

    fn step(&mut self, code: u8, cursor: &mut Cursor<'_>, findings: &mut Findings) -> Result<(), Stop> {
        match code {
            b'(' => self.stack.push(Value::Mark),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.stack.last().cloned().ok_or(EMPTY)?;
                self.stack.push(top);
            }
            b'N' => self.stack.push(Value::Nothing),
            0x88 | 0x89 | b']' | 0x8f => self.stack.push(Value::Other),
            b')' => self.stack.push(Value::Tuple(Rc::from([]))),
            b'}' => self.stack.push(Value::Dict(Rc::default())),
            b'F' | b'L' => {
                line(cursor)?;
                self.stack.push(Value::Other);
            }
            b'I' => {
                let digits = line(cursor)?;
                let number = std::str::from_utf8(&digits).ok().and_then(|digits| digits.trim().parse().ok());
                self.stack.push(number.map_or(Value::Other, Value::Number));
            }
            b'J' => {
                let number = i32::from_le_bytes(argument(cursor)?);
                self.stack.push(Value::Number(number.into()));
            }
            b'K' => {
                let [number] = argument(cursor)?;
                self.stack.push(Value::Number(number.into()));
            }
            b'M' => {
                let number = u16::from_le_bytes(argument(cursor)?);
                self.stack.push(Value::Number(number.into()));
            }
            0x8a => {
                let [size] = argument(cursor)?;
                let bytes = taken(cursor, size.into(), 255)?.unwrap_or_default();
                self.stack.push(long(&bytes).map_or(Value::Other, Value::Number));
            }
            0x8b => {
                let size = u32::from_le_bytes(argument(cursor)?);
                taken(cursor, size.into(), 0)?;
                self.stack.push(Value::Other);
            }
            b'G' => {
                argument::<8>(cursor)?;
                self.stack.push(Value::Other);
            }
            b'S' | b'V' => {
                let text = line(cursor)?;
                self.push_text(Some(unquoted(&text, code == b'S').to_vec()));
            }
            b'U' | 0x8c => {
                let [size] = argument(cursor)?;
                let text = taken(cursor, size.into(), LONGEST_NAME)?;
                self.push_text(text);
            }
            b'T' | b'X' => {
                let size = u32::from_le_bytes(argument(cursor)?);
                let text = taken(cursor, size.into(), LONGEST_NAME)?;
                self.push_text(text);
            }
            0x8d => {
                let size = u64::from_le_bytes(argument(cursor)?);
                let text = taken(cursor, size, LONGEST_NAME)?;
                self.push_text(text);
            }
            b'C' => {
                let [size] = argument(cursor)?;
                self.bytes(size.into(), cursor, findings)?;
            }
            b'B' => {
                let size = u32::from_le_bytes(argument(cursor)?);
                self.bytes(size.into(), cursor, findings)?;
            }
            0x8e | 0x96 => {
                let size = u64::from_le_bytes(argument(cursor)?);
                self.bytes(size, cursor, findings)?;
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.stack.push(tuple(items));
            }
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let start = self.stack.len().checked_sub(count).ok_or(EMPTY)?;
                let items = self.stack.split_off(start);
                if items.iter().any(|item| matches!(item, Value::Mark)) {
                    return Err(EMPTY);
                }
                self.stack.push(tuple(items));
            }
            b'l' | 0x91 => {
                self.pop_to_mark()?;
                self.stack.push(Value::Other);
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                let fields = Rc::new(RefCell::new(Fields::default()));
                fields.borrow_mut().set(&items)?;
                self.stack.push(Value::Dict(fields));
            }
            b'a' => drop(self.pop_below(1)?),
            b'e' | 0x90 => {
                self.pop_to_mark()?;
                self.top()?;
            }
            b's' => {
                let items = self.pop_below(2)?;
                self.set_items(&items)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)?;
            }
            b'c' => {
                let (module, name) = (line(cursor)?, line(cursor)?);
                self.global(&module, &name, findings);
            }
            b'i' => {
                let (module, name) = (line(cursor)?, line(cursor)?);
                self.pop_to_mark()?;
                self.global(&module, &name, findings);
                self.pop()?;
                self.stack.push(Value::Other);
            }
            b'o' => {
                if self.pop_to_mark()?.is_empty() {
                    return Err(EMPTY);
                }
                self.stack.push(Value::Other);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else {
                    return Err(Malformed("it makes up the name of a global that can't be told beforehand"));
                };
                self.global(module.as_bytes(), name.as_bytes(), findings);
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.stack.push(called(&function, &arguments));
            }
            0x81 => {
                let (_, class) = (self.pop()?, self.pop()?);
                let is_wrapper = matches!(class, Value::Global(name) if &*name == WRAPPER);
                self.stack.push(if is_wrapper { Value::Wrapper } else { Value::Other });
            }
            0x92 => {
                let [_, _, _] = [self.pop()?, self.pop()?, self.pop()?];
                self.stack.push(Value::Other);
            }
            b'b' => self.build(cursor, findings)?,
            b'P' => {
                line(cursor)?;
                self.stack.push(Value::Other);
            }
            b'Q' => {
                self.pop()?;
                self.stack.push(Value::Other);
            }
            b'p' => {
                let digits = line(cursor)?;
                let index = std::str::from_utf8(&digits).ok().and_then(|digits| digits.trim().parse().ok());
                self.remember(index.ok_or(Malformed("its memo has a place that is no number"))?)?;
            }
            b'q' => {
                let [index] = argument(cursor)?;
                self.remember(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(argument(cursor)?);
                self.remember(index.into())?;
            }
            0x94 => self.remember(self.memo_length)?,
            b'g' => {
                let digits = line(cursor)?;
                let index = std::str::from_utf8(&digits).ok().and_then(|digits| digits.trim().parse().ok());
                self.recall(index.ok_or(Malformed("its memo has a place that is no number"))?)?;
            }
            b'h' => {
                let [index] = argument(cursor)?;
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(argument(cursor)?);
                self.recall(index.into())?;
            }
            0x80 => {
                let [version] = argument(cursor)?;
                if version > 5 {
                    return Err(Malformed("it has a protocol that is not known"));
                }
            }
            0x95 => {
                let size = u64::from_le_bytes(argument(cursor)?);
                let end = cursor.position.checked_add(size).filter(|end| *end <= cursor.part.size);
                if cursor.position - 9 < self.frame_end {
                    return Err(Malformed("a frame of it lies in another"));
                }
                self.frame_end = end.ok_or(Malformed("it is cut off"))?;
            }
            0x97 => self.stack.push(Value::Other),
            0x98 => drop(self.top()?),
            0x82..=0x84 => return Err(Malformed("it names a global by a number, which only its reader knows")),
            _ => return Err(Malformed("it has an instruction that is none")),
        }
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, Stop> {
        match self.stack.pop() {
            None | Some(Value::Mark) => Err(EMPTY),
            Some(value) => Ok(value),
        }
    }

    fn top(&self) -> Result<&Value, Stop> {
        self.stack.last().filter(|value| !matches!(value, Value::Mark)).ok_or(EMPTY)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, Stop> {
        let mark = self.stack.iter().rposition(|value| matches!(value, Value::Mark)).ok_or(EMPTY)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    /// The upper values, so many, which belong to the one below them.
    fn pop_below(&mut self, count: usize) -> Result<Vec<Value>, Stop> {
        let mut items: Vec<Value> = (0..count).map(|_| self.pop()).collect::<Result<_, _>>()?;
        self.top()?;
        items.reverse();
        Ok(items)
    }

    fn push_text(&mut self, text: Option<Vec<u8>>) {
        let is_name = |text: &[u8]| {
            let starts = text.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_');
            starts && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
        };
        let name = text.filter(|text| text.len() <= LONGEST_NAME && is_name(text));
        let name = name.and_then(|name| String::from_utf8(name).ok());
        self.stack.push(name.map_or(Value::Other, |name| Value::Text(name.into())));
    }

    /// Bytes, which may be a pickle themselves for whoever asks a function to read them.
    fn bytes(&mut self, size: u64, cursor: &mut Cursor<'_>, findings: &mut Findings) -> Result<(), Stop> {
        let start = cursor.position;
        if !cursor.skip(size) {
            return Err(Malformed("it is cut off"));
        }
        self.stack.push(Value::Other);
        let inner = Part { content: cursor.part.content, offset: cursor.part.offset + start, size };
        let (mut head, mut last) = ([0; 2], [0; 1]);
        if size < 4 || self.depth >= MOST_NESTED {
            return Ok(());
        }
        inner.read_at(0, &mut head)?;
        inner.read_at(size - 1, &mut last)?;
        if matches!(head, [0x80, 0..=5]) && last == *b"." {
            let mut within = Findings::default();
            let end = nested(&mut Cursor::new(&inner), &mut within, self.depth + 1)?;
            if end == Some(size) {
                findings.problem("there is a pickle in its bytes");
                findings.add(within);
            }
        }
        Ok(())
    }

    fn global(&mut self, module: &[u8], name: &[u8], findings: &mut Findings) {
        let text = |bytes: &[u8]| crate::fs::escape(bytes.trim_ascii());
        let global = format!("{}.{}", text(module), text(name));
        findings.global(global.clone());
        self.stack.push(Value::Global(global.into()));
    }

    fn set_items(&mut self, items: &[Value]) -> Result<(), Stop> {
        match self.top()? {
            Value::Dict(fields) => fields.borrow_mut().set(items),
            _ if items.len().is_multiple_of(2) => Ok(()),
            _ => Err(EMPTY),
        }
    }

    /// Gives an object its state. joblib's wrapper is followed by its array.
    fn build(&mut self, cursor: &mut Cursor<'_>, findings: &mut Findings) -> Result<(), Stop> {
        let state = self.pop()?;
        match (self.top()?.clone(), state) {
            (Value::Type(kind), Value::Tuple(state)) if kind.is_structure => {
                // The eighth value of the state has a bit for objects among the fields.
                let flags = state.get(7);
                kind.has_objects.set(!matches!(flags, Some(Value::Number(flags)) if flags & 1 == 0));
                Ok(())
            }
            (Value::Wrapper, _) if self.is_plain => Ok(()),
            (Value::Wrapper, Value::Dict(fields)) => {
                if cursor.position < self.frame_end {
                    return Err(Malformed("an array lies within a frame"));
                }
                if !self.was_forked {
                    // Who reads the file without joblib takes the array for instructions.
                    self.was_forked = true;
                    let mut plain = Self { is_plain: true, ..self.clone() };
                    let mut seen = Findings::default();
                    if let Err(Stop::Io(error)) = plain.walk(&mut cursor.clone(), &mut seen) {
                        return Err(Stop::Io(error));
                    }
                    seen.globals.into_iter().filter(|name| is_plausible(name)).for_each(|name| findings.global(name));
                }
                self.array(&fields.borrow(), cursor, findings)?;
                self.pop()?;
                self.stack.push(Value::Other);
                Ok(())
            }
            (Value::Wrapper, _) => Err(Malformed("an array in it does not say how long it is")),
            _ => Ok(()),
        }
    }

    fn array(&mut self, fields: &Fields, cursor: &mut Cursor<'_>, findings: &mut Findings) -> Result<(), Stop> {
        const UNTOLD: Stop = Malformed("an array in it does not say how long it is");
        let (Some(shape), Some(kind)) = (&fields.shape, &fields.dtype) else { return Err(UNTOLD) };
        if kind.has_objects.get() {
            if self.depth >= MOST_NESTED {
                return Err(Malformed("arrays of objects lie in it too deep"));
            }
            return match nested(cursor, findings, self.depth + 1)? {
                Some(_) => Ok(()),
                None => Err(Malformed("an array of objects in it is damaged")),
            };
        }
        match &fields.alignment {
            None | Some(Value::Nothing) => {}
            Some(Value::Number(_)) => {
                let padding = cursor.byte()?.ok_or(Malformed("it is cut off"))?;
                if !cursor.skip(padding.into()) {
                    return Err(Malformed("it is cut off"));
                }
            }
            Some(_) => return Err(UNTOLD),
        }
        let mut size = kind.size.ok_or(UNTOLD)?;
        for length in shape.iter() {
            let Value::Number(length) = length else { return Err(UNTOLD) };
            size = u64::try_from(*length).ok().and_then(|length| size.checked_mul(length)).ok_or(UNTOLD)?;
        }
        if cursor.skip(size) { Ok(()) } else { Err(Malformed("it is cut off")) }
    }

    /// Keeps the top value under this number. Every writer counts; numbers out of turn would let readers differ in what
    /// the next one is.
    fn remember(&mut self, index: u64) -> Result<(), Stop> {
        if index > self.memo_length {
            return Err(Malformed("its memo is filled out of turn"));
        }
        self.memo_length = self.memo_length.max(index + 1);
        let value = self.top()?.clone();
        self.remembered += match &value {
            Value::Text(text) | Value::Global(text) => 64 + text.len(),
            Value::Tuple(items) => 64 + 24 * items.len(),
            Value::Other => 0,
            _ => 64,
        };
        // A name that is forgotten can't be told any more, which is the safe side.
        let is_kept = !matches!(value, Value::Other) && self.remembered <= MOST_REMEMBERED;
        drop(if is_kept { self.memo.insert(index, value) } else { self.memo.remove(&index) });
        Ok(())
    }

    fn recall(&mut self, index: u64) -> Result<(), Stop> {
        if index >= self.memo_length {
            return Err(Malformed("its memo has no such place"));
        }
        self.stack.push(self.memo.get(&index).cloned().unwrap_or(Value::Other));
        Ok(())
    }
}

const EMPTY: Stop = Malformed("an instruction of it has nothing to work on");

impl Fields {
    /// Keys and values in turn.
    fn set(&mut self, items: &[Value]) -> Result<(), Stop> {
        if !items.len().is_multiple_of(2) {
            return Err(EMPTY);
        }
        for pair in items.chunks_exact(2) {
            let Value::Text(key) = &pair[0] else { continue };
            match (&**key, &pair[1]) {
                ("shape", Value::Tuple(shape)) => self.shape = Some(shape.clone()),
                ("shape", _) => self.shape = None,
                ("dtype", Value::Type(kind)) => self.dtype = Some(kind.clone()),
                ("dtype", _) => self.dtype = None,
                ("numpy_array_alignment_bytes", value @ (Value::Number(_) | Value::Nothing)) => {
                    self.alignment = Some(value.clone());
                }
                ("numpy_array_alignment_bytes", _) => self.alignment = Some(Value::Other),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A tuple whose values are kept as far as they are numbers and names.
fn tuple(items: Vec<Value>) -> Value {
    const LONGEST: usize = 32;
    if items.len() > LONGEST {
        return Value::Other;
    }
    let flat = |item: Value| match item {
        Value::Text(_) | Value::Number(_) => item,
        _ => Value::Other,
    };
    Value::Tuple(items.into_iter().map(flat).collect())
}

/// What a call gives: the type of an array's elements, or something else.
fn called(function: &Value, arguments: &Value) -> Value {
    let (Value::Global(function), Value::Tuple(arguments)) = (function, arguments) else { return Value::Other };
    let (true, Some(Value::Text(code))) = (&**function == "numpy.dtype", arguments.first()) else {
        return Value::Other;
    };
    let (kind, digits) = code.split_at(code.len().min(1));
    let number: Option<u64> = digits.parse().ok();
    // A letter of a string has four bytes.
    let size = if kind == "U" { number.and_then(|number| number.checked_mul(4)) } else { number };
    Value::Type(Rc::new(ElementType { size, has_objects: Cell::new(kind == "O"), is_structure: kind == "V" }))
}

/// Whether Python could find a global of this name: what random bytes make is none.
fn is_plausible(global: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && name.chars().all(|character| character.is_alphanumeric() || character == '_')
    };
    global.split('.').all(is_name)
}

fn argument<const N: usize>(cursor: &mut Cursor<'_>) -> Result<[u8; N], Stop> {
    cursor.array()?.ok_or(Malformed("it is cut off"))
}

fn taken(cursor: &mut Cursor<'_>, size: u64, most: usize) -> Result<Option<Vec<u8>>, Stop> {
    cursor.take(size, most)?.ok_or(Malformed("it is cut off"))
}

fn line(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, Stop> {
    const LONGEST: usize = 1 << 20;
    cursor.line(LONGEST)?.ok_or(Malformed("it is cut off"))
}

/// A number of a few bytes, the lowest first.
fn long(bytes: &[u8]) -> Option<i64> {
    let sign = bytes.last().map_or(0, |last| if last & 0x80 == 0 { 0 } else { 0xff });
    let mut number = [sign; 8];
    number.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(number))
}

/// What `S` has in quotes.
fn unquoted(text: &[u8], has_quotes: bool) -> &[u8] {
    match text.trim_ascii() {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] if has_quotes => inner,
        other => other,
    }
}

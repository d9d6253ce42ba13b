//! Elements as bytes: row-major, little-endian; a byte string after its length in four bytes. What the binary extension
//! of the Open Inference Protocol puts after the JSON.

use half::f16;

use super::{Datatype, Elements};

impl Elements {
    /// So many elements of this type, read from bytes; or what is wrong with these.
    pub fn from_binary(datatype: Datatype, count: usize, bytes: &[u8]) -> Result<Self, String> {
        let Some(width) = datatype.width() else { return strings(count, bytes).map(Self::Bytes) };
        if count.checked_mul(width) != Some(bytes.len()) {
            return Err(format!("has {} bytes, and {count} elements of {datatype} take {width} each", bytes.len()));
        }
        Ok(match datatype {
            Datatype::Bool => Self::Bool(bytes.iter().map(|byte| truth(*byte)).collect::<Result<_, _>>()?),
            Datatype::Uint8 => Self::Uint8(bytes.to_vec()),
            Datatype::Uint16 => Self::Uint16(numbers(bytes, u16::from_le_bytes)),
            Datatype::Uint32 => Self::Uint32(numbers(bytes, u32::from_le_bytes)),
            Datatype::Uint64 => Self::Uint64(numbers(bytes, u64::from_le_bytes)),
            Datatype::Int8 => Self::Int8(numbers(bytes, i8::from_le_bytes)),
            Datatype::Int16 => Self::Int16(numbers(bytes, i16::from_le_bytes)),
            Datatype::Int32 => Self::Int32(numbers(bytes, i32::from_le_bytes)),
            Datatype::Int64 => Self::Int64(numbers(bytes, i64::from_le_bytes)),
            Datatype::Fp16 => Self::Fp16(numbers(bytes, f16::from_le_bytes)),
            Datatype::Fp32 => Self::Fp32(numbers(bytes, f32::from_le_bytes)),
            Datatype::Fp64 => Self::Fp64(numbers(bytes, f64::from_le_bytes)),
            Datatype::Bytes => unreachable!("byte strings have no width"),
        })
    }

    /// How many bytes [`Elements::write_binary`] writes.
    pub fn binary_size(&self) -> usize {
        match (self, self.datatype().width()) {
            (Self::Bytes(list), _) => list.iter().map(|bytes| size_of::<u32>() + bytes.len()).sum(),
            (_, width) => self.len() * width.unwrap_or(0),
        }
    }

    /// Appends the elements as bytes.
    pub fn write_binary(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bool(list) => out.extend(list.iter().map(|value| u8::from(*value))),
            Self::Uint8(list) => out.extend_from_slice(list),
            Self::Uint16(list) => write(out, list, |value| value.to_le_bytes()),
            Self::Uint32(list) => write(out, list, |value| value.to_le_bytes()),
            Self::Uint64(list) => write(out, list, |value| value.to_le_bytes()),
            Self::Int8(list) => write(out, list, |value| value.to_le_bytes()),
            Self::Int16(list) => write(out, list, |value| value.to_le_bytes()),
            Self::Int32(list) => write(out, list, |value| value.to_le_bytes()),
            Self::Int64(list) => write(out, list, |value| value.to_le_bytes()),
            Self::Fp16(list) => write(out, list, |value| value.to_le_bytes()),
            Self::Fp32(list) => write(out, list, |value| value.to_le_bytes()),
            Self::Fp64(list) => write(out, list, |value| value.to_le_bytes()),
            Self::Bytes(list) => {
                for bytes in list {
                    // Nothing that comes in or out is as long as this can say.
                    let length = u32::try_from(bytes.len()).expect("a byte string is shorter than 4 GiB");
                    out.extend_from_slice(&length.to_le_bytes());
                    out.extend_from_slice(bytes);
                }
            }
        }
    }
}

fn truth(byte: u8) -> Result<bool, String> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(format!("has the byte {other}, and BOOL has 0 and 1 only")),
    }
}

fn numbers<const WIDTH: usize, T>(bytes: &[u8], read: impl Fn([u8; WIDTH]) -> T) -> Vec<T> {
    bytes.as_chunks::<WIDTH>().0.iter().map(|chunk| read(*chunk)).collect()
}

fn write<const WIDTH: usize, T: Copy>(out: &mut Vec<u8>, list: &[T], bytes: impl Fn(T) -> [u8; WIDTH]) {
    out.reserve(list.len() * WIDTH);
    list.iter().for_each(|value| out.extend_from_slice(&bytes(*value)));
}

fn strings(count: usize, mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut list = Vec::new();
    while !bytes.is_empty() && list.len() < count {
        let index = list.len();
        let (length, rest) = bytes
            .split_first_chunk::<{ size_of::<u32>() }>()
            .ok_or_else(|| format!("ends within the length of element {index}"))?;
        let length = u32::from_le_bytes(*length) as usize;
        let (string, rest) = rest
            .split_at_checked(length)
            .ok_or_else(|| format!("ends within element {index}, which is to have {length} bytes"))?;
        list.push(string.to_vec());
        bytes = rest;
    }
    match (list.len(), bytes.len()) {
        (found, 0) if found == count => Ok(list),
        (found, 0) => Err(format!("has {found} elements, and its shape says {count}")),
        (_, left) => Err(format!("has {left} bytes after its {count} elements")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_reads_is_written_as_it_was(bytes in proptest::collection::vec(any::<u8>(), 0..64), count in 0_usize..20) {
            for datatype in Datatype::ALL {
                let count = datatype.width().map_or(count, |width| bytes.len() / width);
                if let Ok(elements) = Elements::from_binary(datatype, count, &bytes) {
                    let mut written = Vec::new();
                    elements.write_binary(&mut written);
                    prop_assert_eq!(&written, &bytes);
                    prop_assert_eq!((elements.len(), elements.binary_size()), (count, bytes.len()));
                }
            }
        }
    }

    #[test]
    fn what_is_too_short_or_too_long_is_refused_before_room_is_made() {
        let problem = |datatype, count, bytes: &[u8]| Elements::from_binary(datatype, count, bytes).unwrap_err();

        assert_eq!(problem(Datatype::Fp32, 2, &[0; 7]), "has 7 bytes, and 2 elements of FP32 take 4 each");
        assert!(problem(Datatype::Fp64, usize::MAX, &[]).contains("0 bytes"));
        assert_eq!(problem(Datatype::Bool, 1, &[2]), "has the byte 2, and BOOL has 0 and 1 only");
        assert_eq!(
            problem(Datatype::Bytes, usize::MAX, b"\x01\0\0\0a"),
            format!("has 1 elements, and its shape says {}", usize::MAX)
        );
        assert_eq!(problem(Datatype::Bytes, 1, b"\x01\0"), "ends within the length of element 0");
        assert_eq!(
            problem(Datatype::Bytes, 1, b"\xff\xff\xff\xffa"),
            "ends within element 0, which is to have 4294967295 bytes"
        );
        assert_eq!(problem(Datatype::Bytes, 1, b"\0\0\0\0a"), "has 1 bytes after its 1 elements");
    }
}

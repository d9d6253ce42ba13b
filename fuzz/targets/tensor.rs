//! Tensors in binary: any bytes either are no elements of a type or are written again as they were.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlx::predictor::{Datatype, Elements};

fuzz_target!(|bytes: &[u8]| {
    let Some(([datatype, count], bytes)) = bytes.split_first_chunk::<2>() else { return };
    let datatype = Datatype::ALL[usize::from(*datatype) % Datatype::ALL.len()];
    let whole = datatype.width().map_or(usize::from(*count), |width| bytes.len() / width);
    for count in [whole, usize::from(*count), usize::MAX] {
        let Ok(elements) = Elements::from_binary(datatype, count, bytes) else { continue };
        assert!(elements.len() == count && elements.datatype() == datatype);
        let mut written = Vec::new();
        elements.write_binary(&mut written);
        assert!(written == bytes && elements.binary_size() == bytes.len());
        // JSON carries whatever is text.
        assert!(serde_json::to_vec(&elements).is_ok() == elements.is_text());
        let mut twice = elements.clone();
        assert!(twice.append(&elements) && twice.part(count..2 * count).len() == count);
    }
});

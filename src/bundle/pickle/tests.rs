//! Pickles written by hand, instruction by instruction, and what the scan says of them.

use super::*;

fn found(content: &[u8], name: &str) -> Option<Findings> {
    scan(&content.to_vec(), name).unwrap()
}

fn globals(content: &[u8], name: &str) -> Vec<String> {
    found(content, name).unwrap().globals.into_iter().collect()
}

fn problem(content: &[u8], name: &str) -> String {
    found(content, name).unwrap().problems.into_iter().collect::<Vec<_>>().join("; ")
}

/// A name in the form of protocol 4: both words on the stack, then the instruction.
fn by_stack(module: &str, name: &str) -> Vec<u8> {
    let word = |word: &str| [&[0x8c, word.len() as u8][..], word.as_bytes()].concat();
    [word(module), word(name), vec![0x93]].concat()
}

/// `FUNCTION('true')` as a whole pickle.
fn call(global: &[u8]) -> Vec<u8> {
    [&b"\x80\x04"[..], global, b"\x8c\x04true\x85R."].concat()
}

#[test]
fn every_way_to_name_a_function_is_seen() {
    assert_eq!(globals(&call(b"cos\nsystem\n"), "a.pkl"), ["os.system"]);
    assert_eq!(globals(&call(&by_stack("os", "system")), "a.pkl"), ["os.system"]);
    assert_eq!(globals(b"(S'true'\nios\nsystem\n.", "a.pkl"), ["os.system"]);
    // Through the memo, and with the words in another order.
    let swapped = b"\x80\x04\x8c\x06system\x940\x8c\x02os\x94h\x00\x93\x8c\x04true\x85R.";
    assert_eq!(globals(swapped, "a.pkl"), ["os.system"]);
    // Whatever the file is called.
    assert_eq!(globals(&call(b"cos\nsystem\n"), "weights.bin"), ["os.system"]);
}

#[test]
fn a_pickle_is_found_under_another_name_and_packed() {
    let gzip = |content: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, content).unwrap();
        gzip.finish().unwrap()
    };
    let old = b"cos\nsystem\n(S'true'\ntR.";
    let evil = call(b"cos\nsystem\n");

    for (content, name) in [
        (&old[..], "weights.bin"),
        // Who reads it executes what stands before the end, and does not look behind it.
        (&old[..old.len() - 1], "weights.bin"),
        (b"cos\nsystem\n(S'true'\ntR.and more", "weights.bin"),
        (b"(lp0\ncos\nsystem\n(S'true'\ntRa.", "weights"),
        (&gzip(&evil), "weights.bin"),
        (&zstd::encode_all(&evil[..], 1).unwrap(), "weights.bin"),
        (&zstd::encode_all(&old[..], 1).unwrap(), "frame.pkl.zst"),
        (&gzip(&evil), "model.pkl.gz"),
        (&gzip(old), "model.joblib.GZ"),
    ] {
        assert_eq!(globals(content, name), ["os.system"], "{name} {content:?}");
    }
    assert!(problem(b"BZh91AY&SY", "model.pkl.bz2").contains("is not looked into"));
    for (content, name) in [
        (&b"count\nyes\n.5\n"[..], "sample.csv"),
        (b"classes:\n- one\n- two\n", "config.yaml"),
        (b"(c) 2026 the authors\n", "LICENSE"),
        (b"[1, 2]", "list.json"),
        (b"}", "half.json"),
        (&gzip(b"a,b\n1,2\n"), "sample.csv.gz"),
        (&zstd::encode_all(&b"a,b\n1,2\n"[..], 1).unwrap(), "sample.csv.zst"),
        (b"\xfd7zXZ\0\0\x04whatever", "vocabulary.txt.xz"),
        (&gzip(&evil[..1]), "short.gz"),
        (b"text", "pkl"),
    ] {
        assert_eq!(found(content, name), None, "{name}");
    }
}

#[test]
fn what_readers_may_understand_differently_is_a_problem() {
    let good = call(b"ccollections\nOrderedDict\n");
    assert_eq!(problem(&good, "a.pkl"), "");
    let cases: [(&[u8], &str); 14] = [
        (&[&good[..], &good].concat(), "something follows behind its end"),
        (&[&good[..], b"\0"].concat(), "something follows behind its end"),
        (&good[..good.len() - 1], "it is cut off"),
        (b"", "it is cut off"),
        (b".", "it ends without a value"),
        (b"\x80\x04R.", "has nothing to work on"),
        (b"\x80\x07N.", "has a protocol that is not known"),
        (b"\x80\x04\xff.", "has an instruction that is none"),
        (b"\x80\x02\x82\x01.", "names a global by a number"),
        (b"\x80\x04N\x8c\x06system\x93.", "can't be told beforehand"),
        (b"\x80\x04Nq\x05.", "its memo is filled out of turn"),
        (b"\x80\x04h\x05.", "its memo has no such place"),
        (b"\x80\x04\x95\x01\0\0\0\0\0\0\0\x8c\x01a.", "leads out of its frame"),
        (b"\x80\x04\x95\x02\0\0\0\0\0\0\0\x95\0\0\0\0\0\0\0\0N.", "a frame of it lies in another"),
    ];
    for (content, expected) in cases {
        let said = problem(content, "a.pkl");
        assert!(said.contains(expected), "{content:?}: {said}");
    }
}

#[test]
fn a_pickle_in_the_bytes_of_another_is_a_problem_and_is_looked_into() {
    let inner = call(b"cos\nsystem\n");
    let outer = [&b"\x80\x04C"[..], &[inner.len() as u8], &inner, b"."].concat();

    assert_eq!(problem(&outer, "a.pkl"), "there is a pickle in its bytes");
    assert_eq!(globals(&outer, "a.pkl"), ["os.system"]);
}

/// An array of joblib's with `count` numbers of eight bytes and this content.
fn wrapped(count: u8, content: &[u8]) -> Vec<u8> {
    let word = |word: &str| [&[0x8c, word.len() as u8][..], word.as_bytes()].concat();
    let kind = [by_stack("numpy", "dtype"), word("f8"), b"\x89\x88\x87R".to_vec()].concat();
    let fields = [&b"}("[..], &word("shape"), b"K", &[count], b"\x85", &word("dtype"), &kind, b"u"].concat();
    let wrapper =
        [by_stack("joblib.numpy_pickle", "NumpyArrayWrapper"), b")\x81".to_vec(), fields, b"b".to_vec()].concat();
    [&b"\x80\x04"[..], &wrapper, content, b"."].concat()
}

#[test]
fn arrays_of_joblib_are_passed_over() {
    let content = wrapped(3, &[0xff; 24]);

    assert_eq!(problem(&content, "a.joblib"), "");
    assert_eq!(globals(&content, "a.joblib"), ["joblib.numpy_pickle.NumpyArrayWrapper", "numpy.dtype"]);
    assert!(problem(&wrapped(4, &[0xff; 24]), "a.joblib").contains("it is cut off"));
}

#[test]
fn what_a_reader_without_joblib_would_call_is_seen() {
    let mut array = b"0cos\nsystem\n(S'true'\ntR".to_vec();
    array.resize(24, b'0');

    assert!(globals(&wrapped(3, &array), "a.pkl").contains(&"os.system".to_owned()));
}

#[test]
fn packed_pickles_and_archives_are_looked_into() {
    use std::io::Write;
    let inner = call(b"cos\nsystem\n");
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(&inner).unwrap();
    let zlib = zlib.finish().unwrap();

    assert_eq!(globals(&zlib, "a.joblib"), ["os.system"]);
    assert!(problem(&zlib[..zlib.len() - 6], "a.joblib").contains("damaged"));
    assert!(problem(b"BZh91AY&SY", "a.pkl").contains("is not looked into"));
    assert_eq!(globals(&archive("model/data.pkl", "model/data.pkl", &inner), "a.pt"), ["os.system"]);
    assert_eq!(globals(&archive("x", "x", &inner), "weights"), ["os.system"]);
    let renamed = archive("model/data.pkl", "model/date.pkl", &inner);
    assert!(problem(&renamed, "a.pt").contains("contradict each other"));
    assert_eq!(found(&archive("a.txt", "a.txt", b"text"), "a.zip"), None);
}

/// A zip archive of one file, stored, with a name in the list and one before the file.
fn archive(listed: &str, named: &str, content: &[u8]) -> Vec<u8> {
    let size = (content.len() as u32).to_le_bytes();
    let sizes = [&[0; 4][..], &size, &size].concat();
    let lengths = |name: &str| [(name.len() as u16).to_le_bytes(), [0; 2]].concat();
    let local = [&b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0"[..], &sizes, &lengths(named), named.as_bytes(), content].concat();
    let mut list = [&b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0"[..], &sizes, &lengths(listed)].concat();
    list.resize(46, 0);
    list.extend_from_slice(listed.as_bytes());
    let end = [(list.len() as u32).to_le_bytes(), (local.len() as u32).to_le_bytes()].concat();
    [local, list, b"PK\x05\x06\0\0\0\0\x01\0\x01\0".to_vec(), end, vec![0; 2]].concat()
}

#[test]
fn arrays_of_numpy_hold_a_pickle_only_where_their_elements_are_objects() {
    let array = |descr: &str, body: &[u8]| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}\n");
        [&b"\x93NUMPY\x01\0"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), body].concat()
    };

    assert_eq!(found(&array("<f8", &[0; 8]), "a.npy"), None);
    assert_eq!(globals(&array("|O", &call(b"cos\nsystem\n")), "a.npy"), ["os.system"]);
}

#[test]
fn what_is_no_pickle_is_none() {
    for (content, name) in [
        (&b"\x08\x07\x12\x04mlx"[..], "model.onnx"),
        (b"\x80\x02\xff\xff\xff\xff\xff\xff", "weights.bin"),
        (b"", "empty"),
        (b"PK\x03\x04 and nothing", "notes"),
        (b"{\"a\": 1}", "config.json"),
    ] {
        assert_eq!(found(content, name), None, "{name}");
    }
}

#[test]
fn made_pickles_cost_bounded_time_and_memory() {
    // A mark or a number a byte, names without end, and a size that no file has.
    let deep = vec![b'('; 3 << 20];
    assert_eq!(problem(&deep, "a.pkl"), "its stack is too deep to look into");
    let many: Vec<u8> = (0..20_000).flat_map(|index| format!("cm{index}\nx\n0").into_bytes()).collect();
    assert!(problem(&many, "a.pkl").contains("names more than 10000 globals"));
    assert_eq!(problem(b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff", "a.pkl"), "it is cut off");
    let tuples: Vec<u8> = [b")".to_vec(), vec![0x85; 1 << 20]].concat();
    assert_eq!(problem(&tuples, "a.pkl"), "it is cut off");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_panic(content: Vec<u8>, start in 0usize..4) {
        let starts: [&[u8]; 4] = [b"\x80\x04", b"PK\x03\x04", b"\x93NUMPY\x01\0", b""];
        let bytes = [starts[start], &content].concat();
        for name in ["a.pkl", "a"] {
            let _ = scan(&bytes, name).unwrap();
        }
    }
}

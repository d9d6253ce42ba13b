//! Files that say that they are bundles: what opens agrees with itself and is checked in full, and nothing is written that the
//! description does not name.
#![no_main]

use std::io::{Seek, SeekFrom, Write};

use libfuzzer_sys::fuzz_target;
use mlx::bundle::{Bundle, unpack, verify};
use mlx::event::{Interrupt, Silent, Watch};

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("a temporary file can be written");
    file.seek(SeekFrom::Start(0)).expect("a file");
    let interrupt = Interrupt::default();
    let watch = Watch { events: &Silent, interrupt: &interrupt };
    let verification = verify(file.path(), None, watch).expect("only reading may fail");
    let Ok(bundle) = Bundle::open(file.path()) else {
        assert!(!verification.is_sound);
        return;
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let into = directory.path().join("bundle");
    match unpack(&bundle, &into, &|_| None, watch) {
        Ok(unpacked) => {
            let own = 1 + u64::from(bundle.signature().is_some());
            assert!(unpacked.files == bundle.description().files.len() as u64 + own);
        }
        // Either all of it is there, or nothing.
        Err(_) => assert!(!into.exists() && !verification.is_sound),
    }
    assert!(std::fs::read_dir(directory.path()).expect("a directory").count() <= 1);
});

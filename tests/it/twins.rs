//! Names that are one to a file system and two to another: nothing is put back where both can't be, and nothing that is
//! there is touched.

use unicode_normalization::UnicodeNormalization;

use crate::folding::{Fold, Mounted};
use crate::harness::Project;

fn no_case(name: &str) -> String {
    name.to_lowercase()
}

fn no_form(name: &str) -> String {
    name.nfd().collect()
}

/// A project where names are what they are, and a clone of it where some are one.
struct Pair {
    here: Project,
    // Unmounted before its directory goes.
    _mounted: Mounted,
    there: Project,
}

impl Pair {
    fn new(fold: Fold) -> Option<Self> {
        let (here, there) = (Project::empty(), Project::empty());
        let backing = there.home().join("backing");
        std::fs::create_dir(&backing).unwrap();
        let mounted = Mounted::new(&there.root(), &backing, fold)?;
        let remote = here.home().join("remote");
        here.set("mlx.toml", format!("[remote.origin]\nurl = \"{}\"\n", remote.display()));
        here.mlx(&["push"]).success();
        Some(Self { here, _mounted: mounted, there })
    }

    /// Adds these paths here, pushes them, and takes the lock there.
    fn share(&self, paths: &[&str]) {
        self.here.mlx(&[&["add"], paths].concat()).success();
        self.here.mlx(&["push"]).success();
        for name in ["mlx.toml", "mlx.lock"] {
            self.there.set(name, self.here.read(name));
        }
    }
}

#[test]
fn the_file_system_of_these_tests_takes_names_for_one() {
    for (fold, name, twin) in [(no_case as Fold, "Cat.png", "cat.PNG"), (no_form, "caf\u{e9}", "cafe\u{301}")] {
        let Some(pair) = Pair::new(fold) else { return };
        pair.there.set(format!("data/{name}"), "first");
        assert_eq!(pair.there.read(format!("data/{twin}")), "first");
        pair.there.set(format!("data/{twin}"), "second");
        std::fs::rename(pair.there.path("data"), pair.there.path("moved")).unwrap();
        assert_eq!(pair.there.read(format!("moved/{name}")), "second");
        assert_eq!(std::fs::read_dir(pair.there.path("moved")).unwrap().count(), 1);
    }
}

#[test]
fn data_comes_and_goes_where_names_are_one() {
    let Some(pair) = Pair::new(no_case) else { return };
    (0..40).for_each(|number| pair.here.set(format!("data/d{}/Name {number}", number % 3), format!("{number}")));
    pair.here.set("data/large", "large ".repeat(400_000));
    pair.share(&["data"]);

    pair.there.mlx(&["pull"]).success();
    assert_eq!(pair.there.read("data/d1/Name 7"), "7");
    pair.there.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    pair.there.set("data/d1/name 7", "changed");
    pair.there.mlx(&["status"]).success().prints("modified");
    pair.there.mlx(&["add", "data"]).success();
    pair.there.mlx(&["push"]).success();
    pair.there.mlx(&["gc", "--grace", "0s", "--yes"]).success();
    pair.there.mlx(&["verify"]).success();
}

#[test]
fn twins_in_a_directory_are_refused_before_anything_is_overwritten() {
    let cases = [(no_case as Fold, "cat.png", "Cat.png"), (no_form, "caf\u{e9}.png", "cafe\u{301}.png")];
    for (fold, name, twin) in cases {
        let Some(pair) = Pair::new(fold) else { return };
        for file in [&format!("data/in/{name}"), "data/other", "before"] {
            pair.here.set(file, "old");
        }
        pair.share(&["data", "before"]);
        pair.there.mlx(&["pull"]).success();
        for file in [&format!("data/in/{twin}"), "data/other", "before"] {
            pair.here.set(file, "new");
        }
        pair.share(&["data", "before"]);

        for arguments in [&["pull"][..], &["checkout"], &["checkout", "--force"], &["checkout", "data/in"]] {
            pair.there
                .mlx(arguments)
                .exits_with(1)
                .says(&format!("`data/in` holds both `{}` and `{}`", name.min(twin), name.max(twin)))
                .says("one name to the file system here")
                .says("rename one of them");
        }
        let one = format!("data/in/{twin}");
        pair.there.mlx(&["checkout", &one]).exits_with(1).says("one name to the file system here");

        for file in [&format!("data/in/{name}"), "data/other", "before"] {
            assert_eq!(pair.there.read(file), "old", "{file}");
        }
        pair.there.mlx(&["checkout", "data/other"]).success();
        assert_eq!(pair.there.read("data/other"), "new");
        pair.there.mlx(&["verify"]).success();

        // Renamed where both can be, all of it comes.
        std::fs::rename(pair.here.path(format!("data/in/{twin}")), pair.here.path("data/in/second")).unwrap();
        pair.share(&["data"]);
        pair.there.mlx(&["pull"]).success();
        assert_eq!(pair.there.read(format!("data/in/{name}")) + &pair.there.read("data/in/second"), "oldnew");
        pair.there.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    }
}

#[test]
fn tracked_paths_that_are_one_are_refused() {
    let Some(pair) = Pair::new(no_case) else { return };
    for (first, second) in [("raw.csv", "Raw.csv"), ("DATA", "data/x"), ("a/B/c", "a/b/C")] {
        pair.here.set(first, "first");
        pair.here.set(second, "second");
        pair.here.set("other", "other");
        pair.share(&[first, second, "other"]);

        for arguments in [&["pull"][..], &["checkout", "--force"], &["checkout", second]] {
            pair.there
                .mlx(arguments)
                .exits_with(1)
                .says("are one path to the file system here")
                .says("rename one of them");
        }

        assert!(!pair.there.exists(first) && !pair.there.exists(second) && !pair.there.exists("other"));
        // What has nothing to do with them can be had.
        pair.there.mlx(&["checkout", "other"]).success();
        std::fs::remove_file(pair.there.path("other")).unwrap();
        pair.here.mlx(&["untrack", first, second, "other"]).success();
    }
}

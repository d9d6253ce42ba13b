//! What patterns match, and what they refuse.

use proptest::prelude::*;

use super::*;

fn glob(text: &str) -> Glob {
    Glob::parse(text).unwrap()
}

fn path(text: &str) -> ProjectPath {
    ProjectPath::new(text).unwrap()
}

#[test]
fn paths_are_matched_name_by_name() {
    let cases = [
        ("data/*.csv", "data/a.csv", true),
        ("data/*.csv", "data/sub/a.csv", false),
        ("data/*.csv", "data/.a.csv", false),
        ("data/.*.csv", "data/.a.csv", true),
        ("./data//*", "data/a", true),
        ("plots/**/*.png", "plots/a.png", true),
        ("plots/**/*.png", "plots/a/b/c.png", true),
        ("plots/**/*.png", "plots/.a/c.png", false),
        ("plots/**", "plots/a/b", true),
        ("plots/**", "plots", false),
        ("**/x", "a/b/x", true),
        ("**/x", "x", true),
        ("a?[b-d][!x]*", "a-cyz", true),
        ("a?[b-d][!x]*", "a-cx", false),
        ("a[[]b[*]c[]]", "a[b*c]", true),
        ("*a*b*c", "xxaxbxbc", true),
        ("*a*b*c", "xxaxbxb", false),
    ];
    for (text, name, expected) in cases {
        assert_eq!(glob(text).matches(&path(name)), expected, "{text} {name}");
    }
}

#[test]
fn what_is_no_pattern_of_the_project_is_refused() {
    for text in ["../*", "/*", ".git/*", ".mlx/**", "a/[b", "**", "a/[]"] {
        assert!(Glob::parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_base_is_the_directory_around_all_matches() {
    let base = |text: &str| glob(text).base().map(|base| base.to_string());

    assert_eq!(base("data/raw/*.csv").as_deref(), Some("data/raw"));
    assert_eq!(base("data/[*]/**/x").as_deref(), Some("data/*"));
    assert_eq!(base("*.csv"), None);
    assert_eq!(base("a*/b"), None);
}

#[test]
fn patterns_overlap_where_a_path_matches_both() {
    let cases = [
        ("a/*.png", "a/x*", true),
        ("a/*.png", "a/*.csv", false),
        ("a/*.png", "b/*.png", false),
        ("a/**/*.png", "a/b/?.png", true),
        ("**/x", "a/**", true),
        ("a/*/c", "a/b/*", true),
        ("a/*/c", "a/*", false),
        ("a/[a-c]", "a/[c-d]", true),
        ("a/[a-c]", "a/[d-e]", false),
        ("a/**", "a/**", true),
    ];
    for (a, b, expected) in cases {
        assert_eq!((glob(a).overlaps(&glob(b)), glob(b).overlaps(&glob(a))), (expected, expected), "{a} {b}");
    }
}

#[test]
fn only_directories_that_may_hold_matches_are_entered() {
    assert!(glob("a/*/c").reaches_into(&path("a/b")));
    assert!(!glob("a/*/c").reaches_into(&path("a/b/c")));
    assert!(glob("a/**/c").reaches_into(&path("a/b/x")));
    assert!(!glob("a/*").reaches_into(&path("b")));
}

#[test]
fn files_are_found_sorted_and_links_to_directories_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["d/b.csv", "d/a.csv", "d/sub/c.csv", "d/.hidden.csv", "d/x.txt", ".git/a.csv"] {
        let file = dir.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }
    std::os::unix::fs::symlink(".", dir.path().join("d/loop")).unwrap();
    std::os::unix::fs::symlink("a.csv", dir.path().join("d/link.csv")).unwrap();
    fs::create_dir(dir.path().join("d/directory.csv")).unwrap();
    let found = |text: &str| -> Vec<String> {
        glob(text).expand(dir.path()).unwrap().iter().map(ToString::to_string).collect()
    };

    assert_eq!(found("d/*.csv"), ["d/a.csv", "d/b.csv", "d/link.csv"]);
    assert_eq!(found("**/*.csv"), ["d/a.csv", "d/b.csv", "d/link.csv", "d/sub/c.csv"]);
    assert_eq!(found("gone/*.csv"), Vec::<String>::new());
}

proptest! {
    #[test]
    fn what_matches_both_makes_them_overlap(a in "[ab*?/]{1,6}", b in "[ab*?/]{1,6}", name in "[ab]{1,3}(/[ab]{1,3})?") {
        let (Ok(a), Ok(b)) = (Glob::parse(&a), Glob::parse(&b)) else { return Ok(()) };
        let name = path(&name);
        if a.matches(&name) && b.matches(&name) {
            prop_assert!(a.overlaps(&b), "{a} {b} {name}");
        }
        if let Some(parent) = name.parent().filter(|_| a.matches(&name)) {
            prop_assert!(a.reaches_into(&parent));
        }
        if let Some(base) = a.base().filter(|_| a.matches(&name)) {
            prop_assert!(name.is_within(&base));
        }
    }

    #[test]
    fn a_name_matches_itself_with_its_signs_in_brackets(name in "[a-z*?\\[]{1,8}") {
        let quoted: String = name
            .chars()
            .map(|sign| if "*?[".contains(sign) { format!("[{sign}]") } else { sign.to_string() })
            .collect();
        let (pattern, name) = (glob(&format!("d/{quoted}")), path(&format!("d/{name}")));
        prop_assert!(pattern.matches(&name));
    }

    #[test]
    fn no_text_panics(text in "[\\[\\]*?!a-c/\\-^.]{0,12}") {
        let _ = Glob::parse(&text);
    }
}

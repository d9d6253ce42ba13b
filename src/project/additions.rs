//! Additions to a manifest that people write: their text and their comments stay as they are.

use super::manifest::check_name;
use super::{MANIFEST, Manifest, Project};
use crate::fs::{escape, read, write_atomic};
use crate::{Error, Result};

impl Project {
    /// Appends a remote to the manifest.
    pub fn add_remote(&self, name: &str, url: &str) -> Result<()> {
        let path = self.root().join(MANIFEST);
        let text = with_remote(&read(&path)?, name, url)?;
        write_atomic(&path, text.as_bytes(), &self.scratch())
    }
}

/// The manifest's text with one more remote at its end.
fn with_remote(before: &[u8], name: &str, url: &str) -> Result<String> {
    check_name(name).map_err(Error::usage)?;
    let manifest = Manifest::parse(before)?;
    if let Some(remote) = manifest.remotes.get(name) {
        let (same, url) = (remote.url == url, escape(remote.url.as_bytes()));
        let hint = match same {
            true => "there is nothing to do".into(),
            false => format!(
                "change its `url` in {MANIFEST}, take it out with `mlx remote remove {name}`, or choose another name"
            ),
        };
        return Err(Error::usage(format!("there is a remote `{name}` already: {url}")).with_hint(hint));
    }
    let text = String::from_utf8_lossy(before);
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let gap = match text.trim_end_matches([' ', '\t']) {
        "" => "",
        text if text.ends_with(&format!("{end}{end}")) => "",
        text if text.ends_with('\n') => end,
        _ => &[end, end].concat(),
    };
    let key = if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() };
    let value = toml::Value::String(url.to_owned());
    let block = format!("[remote.{key}]{end}url = {value}{end}");
    let after = format!("{text}{gap}{block}");
    // Where remotes are written as one inline table, say, a block of their own can't follow.
    match Manifest::parse(after.as_bytes()) {
        Ok(changed) if changed.remotes.get(name).is_some_and(|remote| remote.url == url) => Ok(after),
        _ => Err(Error::usage(format!("a block can't be added to {MANIFEST} as it is written"))
            .with_hint(format!("write it there by hand: `remote.{key}.url = {value}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(before: &str, name: &str) -> String {
        with_remote(before.as_bytes(), name, "s3://b/p").unwrap()
    }

    #[test]
    fn the_rest_of_the_file_stays_as_it_is() {
        let block = "[remote.origin]\nurl = \"s3://b/p\"\n";
        assert_eq!(added("", "origin"), block);
        assert_eq!(
            added("# mine\n[project]\nname = 'x' # name", "origin"),
            format!("# mine\n[project]\nname = 'x' # name\n\n{block}")
        );
        assert_eq!(added("[project]\n\n", "origin"), format!("[project]\n\n{block}"));
        assert_eq!(added("[project]\r\n", "origin"), "[project]\r\n\r\n[remote.origin]\r\nurl = \"s3://b/p\"\r\n");
        assert!(added("[remote.a]\nurl = 'x'\n", "b.c").ends_with("[remote.\"b.c\"]\nurl = \"s3://b/p\"\n"));
    }

    #[test]
    fn what_would_break_the_file_is_refused() {
        let refused = |before: &str, name: &str| with_remote(before.as_bytes(), name, "s3://b/p").unwrap_err();

        assert!(refused("remote.a.url = 's3://b/p'", "a").hint().unwrap().contains("nothing to do"));
        assert!(refused("remote = { a = { url = 'x' } }", "b").hint().unwrap().contains("by hand"));
        assert!(refused("", "../x").to_string().contains("must begin with"));
        assert!(refused("[project", "a").to_string().contains("line 1"));
    }
}

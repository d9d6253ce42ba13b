//! `~/.netrc`, where curl, Git and wget look for passwords too.

use std::path::PathBuf;

use crate::Result;
use crate::remote::Access;

/// The user and the password for a host; of this user where one is named.
pub fn find(host: &str, user: Option<&str>, access: &Access) -> Result<Option<(String, String)>> {
    let named = access.variable("NETRC").map(PathBuf::from);
    let Some(path) = named.or_else(|| Some(access.home.as_ref()?.join(".netrc"))) else { return Ok(None) };
    let Some(bytes) = crate::fs::read_stream(&path)? else { return Ok(None) };
    Ok(look_up(&String::from_utf8_lossy(&bytes), host, user))
}

fn look_up(text: &str, host: &str, user: Option<&str>) -> Option<(String, String)> {
    // A comment ends with its line, and only at the beginning of one: passwords have `#` in them.
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut words = lines.flat_map(str::split_whitespace);
    let mut entries: Vec<Login<'_>> = Vec::new();
    while let Some(word) = words.next() {
        match (word, entries.last_mut()) {
            ("machine", _) => entries.push(Login { is_for_us: words.next() == Some(host), ..Login::default() }),
            ("default", _) => entries.push(Login { is_for_us: true, ..Login::default() }),
            ("login", Some(entry)) => entry.login = words.next(),
            ("password", Some(entry)) => entry.password = words.next(),
            ("account", Some(_)) => drop(words.next()),
            _ => {}
        }
    }
    entries.into_iter().filter(|entry| entry.is_for_us).find_map(|Login { login, password, .. }| {
        let login = login.or(user).filter(|login| user.is_none_or(|user| user == *login))?;
        Some((login.to_owned(), password?.to_owned()))
    })
}

/// What stands behind one `machine`.
#[derive(Default)]
struct Login<'t> {
    is_for_us: bool,
    login: Option<&'t str>,
    password: Option<&'t str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_and_the_user_choose_the_entry() {
        let text = "# machine a login x password y\nmachine a login me password one#1\nmachine a\n login you\n password two\n\
            machine b password three default login any password four";
        let look_up = |host, user| look_up(text, host, user).map(|(login, password)| format!("{login}:{password}"));

        assert_eq!(look_up("a", None).as_deref(), Some("me:one#1"));
        assert_eq!(look_up("a", Some("you")).as_deref(), Some("you:two"));
        assert_eq!(look_up("b", Some("x")).as_deref(), Some("x:three"));
        assert_eq!(look_up("c", None).as_deref(), Some("any:four"));
        assert_eq!(look_up("c", Some("x")), None);
    }
}

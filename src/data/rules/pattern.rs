//! One line of a file in the syntax of `.gitignore`, read and matched as Git does it; see gitignore(5).
//!
//! Names are bytes. What is no pattern, such as a set that is never closed, matches nothing, and is no error to Git either.

/// A line that is neither empty nor a remark.
#[derive(Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Whether it takes out again what lines before it ignore.
    pub is_negated: bool,
    only_directories: bool,
    /// Whether it speaks of the path from its file on, instead of a name at any depth.
    is_path: bool,
    tokens: Vec<Token>,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`
    One,
    /// `*`
    Many,
    /// `**` before a slash, with it: directories, or none.
    Directories,
    /// `**` at the end.
    Everything,
    /// Ranges of bytes, both ends included.
    Set {
        is_negated: bool,
        ranges: Vec<(u8, u8)>,
    },
}

/// The token after a `*` or a `**`, and how far that reaches so far.
type Reach = (usize, usize);

impl Pattern {
    /// Reads a line without its line feed; `None` where it says nothing.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // Git reads lines as C has them.
        let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
        if line.starts_with(b"#") {
            return None;
        }
        let line = without_spaces(line);
        let (is_negated, line) = line.strip_prefix(b"!").map_or((false, line), |rest| (true, rest));
        let (only_directories, line) = line.strip_suffix(b"/").map_or((false, line), |rest| (true, rest));
        let is_path = line.contains(&b'/');
        let tokens = tokens(line.strip_prefix(b"/").unwrap_or(line), is_path)?;
        let pattern = Self { is_negated, only_directories, is_path, tokens };
        Some(pattern).filter(|pattern| !pattern.tokens.is_empty())
    }

    /// Whether it matches what lies at a path, which is relative to the directory of the pattern's file.
    pub fn matches(&self, path: &[u8], is_directory: bool) -> bool {
        if self.only_directories && !is_directory {
            return false;
        }
        let text = match (self.is_path, path.iter().rposition(|byte| *byte == b'/')) {
            (false, Some(slash)) => &path[slash + 1..],
            _ => path,
        };
        self.matches_text(text)
    }

    /// Where a token fails, the last `*` takes a byte more, and where that meets a slash, the last `**` a directory more.
    /// What stands before these need not be tried otherwise: only a slash of the pattern matches one, and a `**` takes all
    /// that one before it could take.
    fn matches_text(&self, text: &[u8]) -> bool {
        let (mut token, mut at) = (0, 0);
        let (mut many, mut directories): (Option<Reach>, Option<Reach>) = (None, None);
        loop {
            let fits = match self.tokens.get(token) {
                None if at == text.len() => return true,
                Some(Token::Everything) => return true,
                Some(Token::Many) => {
                    many = Some((token + 1, at));
                    token += 1;
                    continue;
                }
                Some(Token::Directories) => {
                    (directories, many) = (Some((token + 1, at)), None);
                    token += 1;
                    continue;
                }
                Some(one) => text.get(at).is_some_and(|byte| one.takes(*byte)),
                None => false,
            };
            if fits {
                token += 1;
                at += 1;
            } else if let Some((after, end)) = many.filter(|(_, end)| text.get(*end).is_some_and(|byte| *byte != b'/'))
            {
                many = Some((after, end + 1));
                (token, at) = (after, end + 1);
            } else if let Some((after, end)) = directories
                && let Some(slash) = text[end..].iter().position(|byte| *byte == b'/')
            {
                let end = end + slash + 1;
                (directories, many) = (Some((after, end)), None);
                (token, at) = (after, end);
            } else {
                return false;
            }
        }
    }
}

impl Token {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::One => byte != b'/',
            Self::Set { is_negated, ranges } => {
                byte != b'/' && ranges.iter().any(|(first, last)| (*first..=*last).contains(&byte)) != *is_negated
            }
            Self::Many | Self::Directories | Self::Everything => false,
        }
    }
}

/// The line without the spaces at its end; one after a backslash stays.
fn without_spaces(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut at = 0;
    while at < line.len() {
        let length = if line[at] == b'\\' { 2 } else { 1 };
        if line[at] != b' ' {
            end = at + length;
        }
        at += length;
    }
    &line[..end.min(line.len())]
}

/// The tokens of a pattern; `None` where nothing can match it.
fn tokens(pattern: &[u8], is_path: bool) -> Option<Vec<Token>> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut at = 0;
    while let Some(byte) = pattern.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                tokens.push(Token::Byte(*pattern.get(at)?));
                at += 1;
            }
            b'?' => tokens.push(Token::One),
            b'[' => {
                let (set, end) = set(pattern, at)?;
                tokens.push(set);
                at = end;
            }
            b'*' => {
                let begin = at - 1;
                at += pattern[at..].iter().take_while(|byte| **byte == b'*').count();
                let is_name = is_path && at - begin > 1 && (begin == 0 || pattern[begin - 1] == b'/');
                match pattern.get(at) {
                    None if is_name => tokens.push(Token::Everything),
                    Some(b'/') if is_name => {
                        tokens.push(Token::Directories);
                        at += 1;
                    }
                    _ => tokens.push(Token::Many),
                }
            }
            byte => tokens.push(Token::Byte(*byte)),
        }
    }
    Some(tokens)
}

/// The set after a bracket, and where what follows it begins.
fn set(pattern: &[u8], mut at: usize) -> Option<(Token, usize)> {
    let is_negated = matches!(pattern.get(at)?, b'!' | b'^');
    at += usize::from(is_negated);
    let mut ranges = Vec::new();
    // What a range may begin with: the byte before, unless that ended a range or a class.
    let mut before = None;
    let begin = at;
    loop {
        let byte = *pattern.get(at)?;
        at += 1;
        match byte {
            // A bracket that comes first is one of the set.
            b']' if at - 1 > begin => return Some((Token::Set { is_negated, ranges }, at)),
            b'-' if before.is_some() && pattern.get(at).is_some_and(|next| *next != b']') => {
                at += usize::from(pattern[at] == b'\\');
                ranges.extend(before.take().zip(pattern.get(at).copied()));
                pattern.get(at)?;
                at += 1;
            }
            b'[' if pattern.get(at) == Some(&b':') => {
                let end = at + 1 + pattern.get(at + 1..)?.iter().position(|byte| *byte == b']')?;
                match pattern[at + 1..end].strip_suffix(b":") {
                    Some(name) => {
                        ranges.extend_from_slice(class(name)?);
                        (before, at) = (None, end + 1);
                    }
                    None => {
                        ranges.push((b'[', b'['));
                        before = Some(b'[');
                    }
                }
            }
            byte => {
                let byte = if byte == b'\\' { *pattern.get(at)? } else { byte };
                at += usize::from(pattern[at - 1] == b'\\');
                ranges.push((byte, byte));
                before = Some(byte);
            }
        }
    }
}

/// The bytes of a class such as `[:alpha:]`, all of ASCII.
fn class(name: &[u8]) -> Option<&'static [(u8, u8)]> {
    Some(match name {
        b"alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        b"alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        b"blank" => &[(b'\t', b'\t'), (b' ', b' ')],
        b"cntrl" => &[(0, 31), (127, 127)],
        b"digit" => &[(b'0', b'9')],
        b"graph" => &[(b'!', b'~')],
        b"lower" => &[(b'a', b'z')],
        b"print" => &[(b' ', b'~')],
        b"punct" => &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')],
        b"space" => &[(b'\t', b'\n'), (b'\r', b'\r'), (b' ', b' ')],
        b"upper" => &[(b'A', b'Z')],
        b"xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `git check-ignore` of Git 2.39 says of these, with the line in a `.gitignore` beside them.
    #[test]
    fn lines_are_read_as_git_reads_them() {
        let cases: [(&str, &[&str], &[&str]); 31] = [
            ("{a,b}.txt", &["{a,b}.txt", "x/{a,b}.txt"], &["a.txt"]),
            ("a}", &["a}"], &["a"]),
            ("[z-a]", &["z"], &["a", "b", "[z-a]"]),
            ("[a", &[], &["[a", "a"]),
            ("a\\", &[], &["a", "a\\"]),
            ("[]a]", &["]", "a"], &["b"]),
            ("[!]a]", &["b"], &["]", "a"]),
            ("[^a]", &["b"], &["a"]),
            ("[--0]", &["-", ".", "0"], &["1"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("[a-\\c]", &["a", "b", "c"], &["d", "\\"]),
            ("[\\]]", &["]"], &["\\"]),
            ("[[:digit:]x]", &["7", "x"], &[":", "d"]),
            ("[[:nope:]]", &[], &["n", ":"]),
            ("[[:a]", &["[", ":", "a"], &["]"]),
            ("a ", &["a"], &["a "]),
            ("a\\ ", &["a "], &["a"]),
            ("a\\  ", &["a "], &["a  "]),
            ("\\#c", &["#c"], &["c"]),
            ("\\!n", &["!n"], &["n"]),
            ("/a", &["a"], &["x/a"]),
            ("//a", &[], &["a", "x/a"]),
            ("a/b", &["a/b"], &["x/a/b", "b"]),
            ("a/*/b", &["a/x/b"], &["a/b", "a/x/y/b"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["a", "ab", "x/a/b"]),
            ("**/a/*b", &["a/b", "x/a/xb", "a/x/a/b"], &["a/x/b"]),
            ("a/**", &["a/x", "a/x/y"], &["a", "xa/b"]),
            ("a**b", &["ab", "axb"], &["a/b"]),
            ("*a*b*c", &["abc", "xaxbxc", "aabbcc"], &["acb", "ab"]),
            ("**/*a/**/*b", &["a/b", "x/ya/z/xb"], &["a/c", "b"]),
            ("a?c", &["abc"], &["ac", "a/c"]),
        ];

        for (line, matched, others) in cases {
            let pattern = Pattern::parse(line.as_bytes());
            let matches =
                |path: &&&str| pattern.as_ref().is_some_and(|pattern| pattern.matches(path.as_bytes(), false));
            assert_eq!(matched.iter().find(|path| !matches(path)), None, "`{line}` should match it");
            assert_eq!(others.iter().find(matches), None, "`{line}` should not match it");
        }
    }

    #[test]
    fn what_says_nothing_is_none() {
        for line in ["", "# remark", "   ", "\r", "!", "/", "a\\"] {
            assert_eq!(Pattern::parse(line.as_bytes()), None, "`{line}`");
        }
    }

    #[test]
    fn a_slash_at_the_end_means_directories() {
        let pattern = Pattern::parse(b"a*/").unwrap();

        assert!(pattern.matches(b"x/ab", true) && !pattern.matches(b"x/ab", false));
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let (line, name) = ("*a".repeat(200) + "b", "a".repeat(4000));

        assert!(!Pattern::parse(line.as_bytes()).unwrap().matches(name.as_bytes(), false));
    }
}

//! The files of AWS's own tools: `~/.aws/credentials` and `~/.aws/config`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::error::did_you_mean;
use crate::fs::{escape, quote};
use crate::remote::Access;
use crate::{Error, Result};

/// What a profile gives.
#[derive(Default, PartialEq)]
pub struct Profile {
    /// Id and secret.
    pub keys: Option<(String, String)>,
    pub token: Option<String>,
    pub region: Option<String>,
    pub endpoint: Option<String>,
}

type Sections = BTreeMap<String, BTreeMap<String, String>>;

impl Profile {
    /// Reads a profile; `default` where none is named, which need not exist.
    pub fn read(name: Option<&str>, access: &Access) -> Result<Self> {
        let file = |variable: &str, below_home: &str| -> Option<PathBuf> {
            let named = access.variable(variable).map(PathBuf::from);
            named.or_else(|| Some(access.home.as_ref()?.join(below_home)))
        };
        let credentials = sections(file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials").as_deref())?;
        let config = sections(file("AWS_CONFIG_FILE", ".aws/config").as_deref())?;
        let wanted = name.unwrap_or("default");
        let in_config = config.get(&format!("profile {wanted}")).or_else(|| config.get(wanted));
        let in_credentials = credentials.get(wanted);
        if name.is_some() && in_config.is_none() && in_credentials.is_none() {
            let of_config = config.keys().map(|section| section.strip_prefix("profile ").unwrap_or(section));
            let known = of_config.chain(credentials.keys().map(String::as_str));
            return Err(Error::usage(format!("there is no AWS profile `{}`", escape(wanted.as_bytes())))
                .with_hint(did_you_mean(wanted, known)));
        }
        let value = |key: &str| {
            let found = in_credentials.and_then(|section| section.get(key));
            found.or_else(|| in_config.and_then(|section| section.get(key))).cloned()
        };
        let mut profile = Self {
            keys: value("aws_access_key_id").zip(value("aws_secret_access_key")),
            token: value("aws_session_token"),
            region: value("region"),
            endpoint: value("endpoint_url"),
        };
        if profile.keys.is_none() {
            match value("credential_process") {
                Some(program) => profile.ask(&program, access)?,
                None if ["sso_session", "sso_start_url", "role_arn"].iter().any(|key| value(key).is_some()) => {
                    let shown = escape(wanted.as_bytes());
                    return Err(Error::usage(format!("AWS profile `{shown}` gets its keys from a role or a login"))
                        .with_hint(format!(
                            "let AWS's own tool fetch them: `eval \"$(aws configure export-credentials --profile {shown} --format env)\"`"
                        )));
                }
                None => {}
            }
        }
        Ok(profile)
    }

    /// Fetches keys from the program that the profile names.
    fn ask(&mut self, program: &str, access: &Access) -> Result<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            access_key_id: String,
            secret_access_key: String,
            session_token: Option<String>,
        }
        let failed = |why: String| {
            Error::failed(format!("`credential_process` of the AWS profile: {why}"))
                .with_hint("run it by hand to see what it says")
        };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", program]).env("PATH", &access.path).stdin(Stdio::null()).stderr(Stdio::null());
        let output = command.output().map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(output.status.to_string()));
        }
        // The parser's message might show a part of the answer.
        let answer =
            serde_json::from_slice::<Answer>(&output.stdout).map_err(|_| failed("no keys in its answer".into()))?;
        self.keys = Some((answer.access_key_id, answer.secret_access_key));
        self.token = answer.session_token;
        Ok(())
    }
}

/// The sections of an INI file as AWS writes it; none where there is no file.
fn sections(path: Option<&Path>) -> Result<Sections> {
    let Some(path) = path else { return Ok(Sections::new()) };
    let Some(bytes) = crate::fs::read_stream(path)? else { return Ok(Sections::new()) };
    let text = String::from_utf8(bytes).map_err(|_| Error::failed(format!("`{}` is not UTF-8", quote(path))))?;
    let mut sections = Sections::new();
    let mut current = None;
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.starts_with(['#', ';']) || line.is_empty() {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split_once(']')).map(|(name, _)| name) {
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            current = Some(sections.entry(name).or_default());
        } else if let (Some(section), Some((key, value)), false) = (&mut current, line.split_once('='), is_nested) {
            section.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(credentials: &str, config: &str) -> (tempfile::TempDir, Access) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".aws")).unwrap();
        std::fs::write(dir.path().join(".aws/credentials"), credentials).unwrap();
        std::fs::write(dir.path().join(".aws/config"), config).unwrap();
        let access = Access { home: Some(dir.path().into()), path: "/bin:/usr/bin".into(), ..Access::default() };
        (dir, access)
    }

    #[test]
    fn both_files_make_a_profile() {
        let (_dir, access) = home(
            "[default]\naws_access_key_id = a\naws_secret_access_key=s=1\n# x\n[ team ]\naws_access_key_id=b\naws_secret_access_key=t\naws_session_token=u",
            "[profile team]\nregion = eu-central-1\ns3 =\n  endpoint_url = nested\nendpoint_url = http://localhost:1",
        );
        let keys = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));

        let default = Profile::read(None, &access).unwrap();
        let team = Profile::read(Some("team"), &access).unwrap();

        assert!(default == Profile { keys: keys("a", "s=1"), ..Profile::default() });
        let (token, region) = (Some("u".to_owned()), Some("eu-central-1".to_owned()));
        assert!(team == Profile { keys: keys("b", "t"), token, region, endpoint: Some("http://localhost:1".into()) });
    }

    #[test]
    fn a_profile_that_is_named_must_be_there() {
        let (_dir, access) = home("[team]\n", "");

        let error = Profile::read(Some("taem"), &access).err().unwrap();

        assert_eq!(error.hint(), Some("did you mean `team`?"));
        assert!(Profile::read(None, &Access::default()).unwrap() == Profile::default());
    }

    #[test]
    fn a_program_may_give_the_keys() {
        let script = r#"echo '{"Version":1,"AccessKeyId":"a","SecretAccessKey":"b","SessionToken":"c"}'"#;
        let (_dir, access) = home(
            "",
            &format!("[default]\ncredential_process = {script}\n[profile bad]\ncredential_process = echo secret"),
        );

        let profile = Profile::read(None, &access).unwrap();
        let error = Profile::read(Some("bad"), &access).err().unwrap();

        assert!(profile.keys == Some(("a".into(), "b".into())) && profile.token == Some("c".into()));
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn a_login_is_left_to_the_tool_of_the_cloud() {
        let (_dir, access) = home("", "[profile sso]\nsso_session = x");

        let error = Profile::read(Some("sso"), &access).err().unwrap();

        assert!(error.hint().unwrap().contains("aws configure export-credentials --profile sso"));
    }
}

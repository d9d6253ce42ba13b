//! Secrets in `--set`: a parameter is recorded with the run, in mlx.lock and in the command, and travels with all of them.

use std::ffi::OsString;

use super::Context;
use crate::event::Event;
use crate::fs::escape;
use crate::{Error, Result};

/// A shorter value may be that of a variable by chance.
const SHORTEST: usize = 8;
const HINT: &str = "let the program read an environment variable; a step depends on one by its digest alone: \
                    `deps = [{ env = \"NAME\" }]`";

/// Refuses a value that is the value of an environment variable for secrets, and warns of a parameter that is called like one.
pub fn check(cx: &Context, settings: &[String]) -> Result<()> {
    for (name, value) in settings.iter().filter_map(|setting| setting.split_once('=')) {
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let mut secrets = variables.filter(|(name, value)| value.len() >= SHORTEST && is_secret_variable(name));
        let shown = escape(name.trim().as_bytes());
        // A sweep is given several values at once.
        let is_value =
            |secret: &OsString| std::iter::once(value).chain(value.split(',')).any(|part| *secret == *part.trim());
        if let Some((variable, _)) = secrets.find(|(_, secret)| is_value(secret)) {
            let variable = escape(variable.as_bytes());
            let message =
                format!("`--set {shown}=…` has the value of the variable `{variable}`, and would be recorded");
            return Err(Error::usage(message).with_hint(HINT));
        }
        if is_secret_parameter(name) {
            let message = format!("the parameter `{shown}` is called like a secret, and its value is recorded");
            cx.events.emit(Event::Warning { message, hint: Some(HINT.into()) });
        }
    }
    Ok(())
}

fn words(name: &str) -> Vec<String> {
    let words = name.split(|character: char| !character.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect()
}

fn is_secret_word(word: &str) -> bool {
    ["password", "passwd", "passphrase", "secret", "credential", "credentials"].contains(&word)
}

/// `HF_TOKEN`, `AWS_SECRET_ACCESS_KEY`, `DB_PASSWORD`.
fn is_secret_variable(name: &str) -> bool {
    words(name).iter().any(|word| is_secret_word(word) || ["token", "key", "apikey"].contains(&word.as_str()))
}

/// `db.password`, `api_key`; not `max_tokens` or `key_size`, which say how a model is.
fn is_secret_parameter(name: &str) -> bool {
    let words = words(name);
    let pairs = words.windows(2).map(|pair| (pair[0].as_str(), pair[1].as_str()));
    let is_pair = |(first, second): (&str, &str)| {
        ["api", "access", "auth", "private", "secret", "bearer"].contains(&first) && ["key", "token"].contains(&second)
    };
    words.iter().any(|word| is_secret_word(word) || word == "apikey") || pairs.into_iter().any(is_pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_from_those_of_models() {
        for name in ["db.password", "api_key", "hub.auth-token", "wandb.apikey", "aws.secret"] {
            assert!(is_secret_parameter(name), "{name}");
        }
        for name in ["train.max_tokens", "model.key_size", "tokenizer", "pad.token", "train.seed", "secretary"] {
            assert!(!is_secret_parameter(name), "{name}");
        }
        assert!(is_secret_variable("HF_TOKEN") && is_secret_variable("AWS_SECRET_ACCESS_KEY"));
        assert!(!is_secret_variable("HOME") && !is_secret_variable("KEYBOARD"));
    }
}

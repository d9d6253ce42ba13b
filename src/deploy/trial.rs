//! Whether a target can do what is asked of it: each thing is tried once, without touching a release.

use serde::Serialize;

use super::Target;
use crate::remote::backend::unique;
use crate::remote::probe::{Outcome, Tried};
use crate::{Error, Result};

/// The name of the document that is written; who writes it holds the lock.
pub(super) const DOCUMENT: &str = "test.json";

/// What was tried on a target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tested {
    pub target: String,
    pub place: String,
    pub tried: Vec<Tried>,
}

/// Tries everything; what it wrote it takes away. What follows from a failure is not tried.
pub fn test(target: &dyn Target, name: &str, who: &str) -> Result<Tested> {
    let mut tested = Tested { target: name.to_owned(), place: target.place(), tried: Vec::new() };
    let mut attempt = |what, action: &mut dyn FnMut() -> Result<()>| -> Result<bool> {
        let tried = Tried::of(what, action)?;
        let works = tried.outcome == Outcome::Works;
        tested.tried.push(tried);
        Ok(works)
    };
    if !attempt("reach it", &mut || target.live().map(drop))? {
        return Ok(tested);
    }
    let mut lock = None;
    let mut take = || {
        lock = Some(target.lock(&format!("mlx target test by {}", crate::fs::escape(who.as_bytes())))?);
        Ok(())
    };
    if !attempt("lock it", &mut take)? {
        return Ok(tested);
    }
    let text = format!("{{\"test\": \"{}\"}}", unique());
    attempt("write and read", &mut || {
        target.set_document(DOCUMENT, Some(text.as_bytes()))?;
        let found = target.document(DOCUMENT)?;
        target.set_document(DOCUMENT, None)?;
        match found.as_deref() == Some(text.as_bytes()) {
            true => Ok(()),
            false => Err(Error::failed("what was written does not read back")),
        }
    })?;
    attempt("switch in one step", &mut || target.try_switch())?;
    attempt("list the releases", &mut || target.releases().map(drop))?;
    if let Some(rest) = target.rest() {
        attempt(rest, &mut || target.try_rest())?;
    }
    drop(lock);
    Ok(tested)
}

impl Tested {
    /// The first failure as an error.
    pub fn verdict(&self) -> Result<()> {
        let failed = self.tried.iter().find(|tried| tried.outcome != Outcome::Works);
        let Some(Tried { what, message, hint, .. }) = failed else { return Ok(()) };
        let error = Error::failed(message.as_deref().unwrap_or("a test failed"))
            .context(format!("target `{}` does not do what it should ({what})", self.target));
        Err(hint.iter().fold(error, |error, hint| error.with_hint(hint)))
    }
}

//! How often a step is tried again and after what, as `retry` says it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::did_you_mean;
use crate::project::reader::{Item, Table};
use crate::{Error, Result};

/// Where nothing is said, the second attempt begins after this time.
const DELAY: Duration = Duration::from_secs(1);
/// The time to the next attempt doubles up to this one.
const LONGEST_DELAY: Duration = Duration::from_secs(600);

/// Why a step did not come to a good end, as far as it matters for trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The step's own program failed.
    Step,
    /// It took more memory than there was, or than it was given.
    OutOfMemory,
    /// It took longer than it may.
    Timeout,
    /// The machine or the engine failed, not the step.
    Infrastructure,
    /// Somebody ended it from outside.
    Cancelled,
}

/// The classes that a step can name; somebody who ends it does not want it tried again.
const NAMED: [(&str, FailureClass); 4] = [
    ("step", FailureClass::Step),
    ("out_of_memory", FailureClass::OutOfMemory),
    ("timeout", FailureClass::Timeout),
    ("infrastructure", FailureClass::Infrastructure),
];

impl FailureClass {
    /// The word for it in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::OutOfMemory => "out of memory",
            Self::Timeout => "timeout",
            Self::Infrastructure => "infrastructure",
            Self::Cancelled => "cancelled",
        }
    }

    fn of(item: Item<'_>) -> Result<Self> {
        let place = item.place();
        let name = item.string()?;
        let known = NAMED.iter().find(|(known, _)| *known == name);
        known.map(|(_, class)| *class).ok_or_else(|| {
            let shown = crate::fs::escape(name.as_bytes());
            Error::usage(format!("there is no class of failures `{shown}` ({place})"))
                .with_hint(did_you_mean(&name, NAMED.map(|(known, _)| known)))
        })
    }
}

/// How a step that failed is tried again. None of it is part of the step key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// So often, beyond the first attempt.
    pub times: u64,
    /// After these failures.
    pub on: Vec<FailureClass>,
    /// From the end of the first attempt to the second one; twice as long before each further one.
    pub delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { times: 0, on: NAMED.map(|(_, class)| class).into(), delay: DELAY }
    }
}

impl Retry {
    /// Takes `retry` out of a step's table: a number, or a table that says more.
    pub(super) fn take(step: &mut Table<'_>) -> Result<Self> {
        let mut retry = Self::default();
        let Some(item) = step.take("retry") else { return Ok(retry) };
        if !item.is_table() {
            retry.times = item.integer(0)?;
            return Ok(retry);
        }
        let mut table = item.table("`retry`".into())?;
        let times = table.take("times");
        if let Some(item) = table.take("on") {
            retry.on = item.items()?.into_iter().map(FailureClass::of).collect::<Result<_>>()?;
        }
        retry.delay = table.take("delay").map_or(Ok(retry.delay), Item::duration_or_zero)?;
        retry.times = times.ok_or_else(|| table.missing("times"))?.integer(0)?;
        table.finish()?;
        Ok(retry)
    }

    /// Whether a step that failed so often, the last time in this way, is tried again.
    pub fn wants(&self, class: FailureClass, failures: u64) -> bool {
        failures <= self.times && self.on.contains(&class)
    }

    /// The time to the next attempt after so many failures.
    pub fn delay_after(&self, failures: u64) -> Duration {
        let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let delay = self.delay.saturating_mul(2_u32.saturating_pow(doublings));
        delay.min(LONGEST_DELAY.max(self.delay))
    }

    /// The most that all attempts take together, when one takes no longer than this.
    pub fn longest(&self, attempt: Duration) -> Duration {
        // Far beyond it no scheduler counts.
        let times = self.times.min(10_000);
        let delays = (1..=times).fold(Duration::ZERO, |sum, failures| sum.saturating_add(self.delay_after(failures)));
        attempt.saturating_mul(u32::try_from(times + 1).unwrap_or(u32::MAX)).saturating_add(delays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Manifest;

    fn retry(text: &str) -> Result<Retry> {
        Ok(Manifest::parse(format!("[step.a]\ncmd = 'x'\n{text}").as_bytes())?.steps.remove(0).retry)
    }

    #[test]
    fn a_number_is_the_short_form_of_a_table() {
        let classes = vec![FailureClass::Timeout, FailureClass::OutOfMemory];
        let long = Retry { times: 3, on: classes, delay: Duration::from_secs(10) };

        assert_eq!(retry("").unwrap(), Retry::default());
        assert_eq!(retry("retry = 2").unwrap(), Retry { times: 2, ..Retry::default() });
        assert_eq!(retry("retry = { times = 3, on = ['timeout', 'out_of_memory'], delay = '10s' }").unwrap(), long);
        assert!(long.wants(FailureClass::Timeout, 3) && !long.wants(FailureClass::Timeout, 4));
        assert!(!long.wants(FailureClass::Step, 1));
        assert!(!Retry::default().wants(FailureClass::Step, 1));
    }

    #[test]
    fn the_next_attempt_may_begin_at_once_and_a_timeout_leaves_some_time() {
        for zero in ["0", "0.0", "'0s'"] {
            let at_once = retry(&format!("retry = {{ times = 1, delay = {zero} }}")).unwrap();
            assert_eq!(at_once.delay, Duration::ZERO);
            let error = retry(&format!("timeout = {zero}")).unwrap_err().to_string();
            assert_eq!(error, "`timeout` in step `a`: expected a duration above zero (mlx.toml, line 3)");
        }
    }

    #[test]
    fn delays_double_up_to_a_limit() {
        let retry = Retry { times: 100, delay: Duration::from_secs(10), ..Retry::default() };
        let slow = Retry { delay: Duration::from_secs(3600), ..retry.clone() };

        let seconds = [1, 2, 3, 7, 99].map(|failures| retry.delay_after(failures).as_secs());

        assert_eq!(seconds, [10, 20, 40, 600, 600]);
        assert_eq!(slow.delay_after(9), Duration::from_secs(3600));
        let twice = Retry { times: 2, ..retry };
        assert_eq!(twice.longest(Duration::from_secs(60)), Duration::from_secs(3 * 60 + 10 + 20));
    }

    #[test]
    fn nonsense_is_named_with_its_place() {
        let cases = [
            ("retry = { on = ['step'] }", "`retry` has no `times` (mlx.toml, line 3)"),
            ("retry = { times = 1, on = ['cancelled'] }", "there is no class of failures `cancelled`"),
            ("retry = { times = 1, in = '1s' }", "unknown key `in` in `retry` (mlx.toml, line 3)"),
            ("retry = { tims = 1 }", "unknown key `tims` in `retry` (mlx.toml, line 3)"),
            ("retry = 'often'", "`retry` in step `a` must be a whole number from 0 up, not a string"),
        ];
        for (text, expected) in cases {
            let error = retry(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

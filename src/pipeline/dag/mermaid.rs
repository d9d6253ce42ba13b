//! The picture as Mermaid text, which Git hosts and many editors draw.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Dag, State};

/// A flowchart; steps have the colours of their states.
pub fn mermaid(dag: &Dag) -> String {
    let mut text = String::from("flowchart LR\n");
    for (place, step) in dag.steps.iter().enumerate() {
        let (name, state) = (label(&step.name), label(&step.state_words()));
        let _ = writeln!(text, "  s{place}[\"{name}<br/><small>{state}</small>\"]:::{}", step.state.class());
    }
    for (place, needs) in dag.needs().into_iter().enumerate() {
        for needed in needs {
            let _ = writeln!(text, "  s{needed} --> s{place}");
        }
    }
    let states: BTreeSet<State> = dag.steps.iter().map(|step| step.state).collect();
    for state in states {
        let style = match state {
            State::UpToDate => "fill:#dafbe1,stroke:#1a7f37,color:#1f2328",
            State::Frozen => "fill:#eef1f4,stroke:#59636e,color:#1f2328",
            State::Restore => "fill:#ddf4ff,stroke:#0969da,color:#1f2328",
            State::Depends => "fill:#fff8c5,stroke:#9a6700,color:#1f2328,stroke-dasharray:4 3",
            State::Run => "fill:#fff8c5,stroke:#9a6700,color:#1f2328",
            State::Missing => "fill:#ffebe9,stroke:#cf222e,color:#1f2328,stroke-dasharray:4 3",
            State::Failed => "fill:#ffebe9,stroke:#cf222e,color:#1f2328",
        };
        let _ = writeln!(text, "  classDef {} {style}", state.class());
    }
    text
}

/// Text in quotes: what Mermaid would take for its own goes as an entity.
fn label(text: &str) -> String {
    let mut label = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '#' | '<' | '>' | '&' | ';' | '`' | '\\' => {
                let _ = write!(label, "#{};", u32::from(character));
            }
            character if character.is_control() => label.push(' '),
            character => label.push(character),
        }
    }
    label
}

#[cfg(test)]
mod tests {
    use super::super::tests::step;
    use super::*;

    #[test]
    fn names_can_do_no_harm() {
        let dag =
            Dag { steps: vec![step("a\"]; x", None, State::Run, &[]), step("b", None, State::UpToDate, &["a\"]; x"])] };

        insta::assert_snapshot!(mermaid(&dag), @r#"
        flowchart LR
          s0["a#34;]#59; x<br/><small>would run</small>"]:::run
          s1["b<br/><small>up to date</small>"]:::done
          s0 --> s1
          classDef done fill:#dafbe1,stroke:#1a7f37,color:#1f2328
          classDef run fill:#fff8c5,stroke:#9a6700,color:#1f2328
        "#);
    }
}

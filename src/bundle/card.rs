//! The model card: what people should know before they use a model, as Markdown made from the version.
//!
//! Whoever wants to say more writes a card of their own (`card` of the model in the manifest). A line `<!-- mlx:metrics -->` in
//! it, or the name of another section, is where that section comes, so that the numbers are always those of the version.

use std::fmt::Write as _;

use serde_json::Value;

use super::description::{PythonClass, Serve};
use crate::predictor::{Signature, Tensor};
use crate::project::lock::LockedPath;
use crate::registry::Version;
use crate::{Error, Result};

/// Where it lies in the bundle.
pub const CARD: &str = "README.md";

/// The sections that a card may name, in the order of a card that is made.
const SECTIONS: [&str; 7] = ["summary", "metrics", "parameters", "signature", "data", "environment", "use"];
/// More columns than these are counted and not named.
const MOST_COLUMNS: usize = 40;

/// What a card is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub version: &'a Version,
    pub description: Option<&'a str>,
    pub serve: Option<&'a Serve>,
    /// `None` where the model was not asked yet.
    pub signature: Option<&'a Signature>,
    /// How many packages its environment has.
    pub packages: usize,
}

/// A whole card.
pub fn card(facts: Facts<'_>) -> String {
    let mut text = format!("# {} {}\n", cell(&facts.version.model), facts.version.version);
    if let Some(description) = facts.description {
        let _ = write!(text, "\n{}\n", description.trim());
    }
    for name in SECTIONS {
        let section = section(name, facts).expect("each name in the list has a section");
        if !section.is_empty() {
            let heading = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
            let heading = if name == "summary" { String::new() } else { format!("\n## {heading}\n") };
            let _ = write!(text, "{heading}\n{section}");
        }
    }
    text
}

/// A card to write on: what only people know is asked for, and what the version knows is named by its section.
pub fn template(version: &Version) -> String {
    let description = version.description.as_deref().unwrap_or("What it is for, in a sentence or two.").trim();
    let mut text = format!("# {}\n\n{description}\n\n<!-- mlx:summary -->\n", cell(&version.model));
    text.push_str("\n## Intended use\n\nWho should use it and for what, and what it must not be used for.\n");
    text.push_str("\n## Limits\n\nWhere it is known to be wrong, and for whom.\n");
    for name in &SECTIONS[1..] {
        let _ = write!(text, "\n## {}{}\n\n<!-- mlx:{name} -->\n", name[..1].to_uppercase(), &name[1..]);
    }
    text
}

/// A card of the user's own, with its sections filled in; `name` is for messages.
pub fn filled(own: &str, name: &str, facts: Facts<'_>) -> Result<String> {
    let mut text = String::with_capacity(own.len());
    for (index, line) in own.lines().enumerate() {
        let place = line.trim().strip_prefix("<!-- mlx:").and_then(|rest| rest.strip_suffix("-->")).map(str::trim);
        match place.map(|place| (place, section(place, facts))) {
            None => text.push_str(line),
            Some((_, Some(section))) => text.push_str(section.trim_end()),
            Some((place, None)) => {
                let (place, line) = (crate::fs::escape(place.as_bytes()), index + 1);
                return Err(Error::usage(format!("a card has no section `{place}` ({name}, line {line})"))
                    .with_hint(format!("there are: {}", SECTIONS.map(|name| format!("`{name}`")).join(", "))));
            }
        }
        text.push('\n');
    }
    Ok(text)
}

/// The text of a section, which may be empty; `None` where there is no such section.
fn section(name: &str, facts: Facts<'_>) -> Option<String> {
    let Version { metrics, params, data, environment, .. } = facts.version;
    Some(match name {
        "summary" => summary(facts),
        "metrics" => table(["Metric", "Value"], metrics.iter().map(|(name, value)| [cell(name), value.to_string()])),
        "parameters" => {
            table(["Parameter", "Value"], params.iter().map(|(name, value)| [cell(name), cell(&text(value))]))
        }
        "signature" => facts.signature.map(signature).unwrap_or_default(),
        "data" => table(["Made from", "SHA-256", "Bytes"], data.iter().map(source)),
        "environment" => environment.as_ref().map_or(String::new(), |environment| {
            let python = environment.python_version.as_ref().map(|version| format!("Python {}", cell(version)));
            let image = environment.image.as_ref().map(|image| format!("image `{}`", cell(image)));
            let packages = match facts.packages {
                0 => None,
                packages => {
                    Some(format!("{packages} packages (`environment/packages.txt`, `environment/sbom.cdx.json`)"))
                }
            };
            let parts: Vec<String> = [python, image, packages].into_iter().flatten().collect();
            if parts.is_empty() { String::new() } else { format!("{}\n", parts.join(", ")) }
        }),
        "use" => use_of(facts),
        _ => return None,
    })
}

fn summary(facts: Facts<'_>) -> String {
    let Version { step, run, commit, .. } = facts.version;
    let serves = facts.serve.map(|serve| match serve {
        Serve::Onnx(path) => format!("ONNX, `{}`", cell(path)),
        Serve::Python(PythonClass { file, class, .. }) => format!("Python, `{}` in `{}`", cell(class), cell(file)),
    });
    let rows = [
        ("Made by", step.as_ref().map(|step| format!("step `{}`", cell(step)))),
        ("Run", run.as_ref().map(|run| format!("`{run}`"))),
        ("Commit", commit.as_ref().map(|commit| format!("`{}`", cell(commit)))),
        ("Answers as", serves),
    ];
    table(["", ""], rows.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?])))
}

fn signature(signature: &Signature) -> String {
    let row = |role: &str, tensor: &Tensor| {
        let Tensor { name, datatype, shape, columns } = tensor;
        let shape: Vec<String> =
            shape.iter().map(|size| if *size < 0 { "any".into() } else { size.to_string() }).collect();
        let columns = match columns.len() {
            0..=MOST_COLUMNS => columns.iter().map(|column| cell(column)).collect::<Vec<_>>().join(", "),
            many => format!("{many} columns"),
        };
        [role.to_owned(), cell(name), datatype.to_string(), shape.join(" × "), columns]
    };
    let inputs = signature.inputs.iter().map(|tensor| row("input", tensor));
    let outputs = signature.outputs.iter().map(|tensor| row("output", tensor));
    table(["", "Name", "Type", "Shape", "Columns"], inputs.chain(outputs))
}

fn use_of(facts: Facts<'_>) -> String {
    let Version { model, version, .. } = facts.version;
    match facts.serve {
        Some(_) => {
            format!("    mlx serve {model}-{version}.tar\n    mlx predict {model}-{version}.tar --input rows.csv\n")
        }
        None => String::new(),
    }
}

fn source(source: &LockedPath) -> [String; 3] {
    let LockedPath { path, object } = source;
    let slash = if object.is_directory() { "/" } else { "" };
    [format!("`{}{slash}`", cell(&path.to_string())), format!("`{}`", object.digest.hex()), object.size.to_string()]
}

/// A table; nothing where it has no rows.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<String> = rows.map(|row| format!("| {} |\n", row.join(" | "))).collect();
    match rows.is_empty() {
        true => String::new(),
        false => format!("| {} |\n|{}\n{}", head.join(" | "), " --- |".repeat(N), rows.concat()),
    }
}

/// Text in a cell: on one line, and nothing in it ends the cell or begins an HTML tag.
fn cell(text: &str) -> String {
    let text = crate::fs::escape(text.as_bytes());
    text.replace('|', "\\|").replace('<', "&lt;")
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn version() -> Version {
        serde_json::from_value(json!({
            "format": 1, "model": "churn", "version": 3, "created": "2026-01-01T00:00:00Z", "created_by": "tester",
            "description": null, "path": "model",
            "object": { "kind": "directory", "digest": format!("sha256:{}", "0".repeat(64)), "size": 1, "files": 1 },
            "step": "train", "run": "0123456789ab", "commit": null, "params": { "a|b": "x\ny" },
            "metrics": { "accuracy": 0.875 }, "data": [], "environment": null,
        }))
        .unwrap()
    }

    fn facts(version: &Version) -> Facts<'_> {
        Facts { version, description: Some("Who leaves."), serve: None, signature: None, packages: 0 }
    }

    #[test]
    fn a_card_says_what_is_known_and_has_no_empty_sections() {
        let version = version();

        let text = card(facts(&version));

        assert_eq!(
            text,
            "# churn 3\n\nWho leaves.\n\n|  |  |\n| --- | --- |\n| Made by | step `train` |\n| Run | `0123456789ab` |\n\
             \n## Metrics\n\n| Metric | Value |\n| --- | --- |\n| accuracy | 0.875 |\n\
             \n## Parameters\n\n| Parameter | Value |\n| --- | --- |\n| a\\|b | x\\x0ay |\n"
        );
    }

    #[test]
    fn sections_come_where_a_card_of_ones_own_names_them() {
        let version = version();

        let text = filled("# Mine\n<!-- mlx:metrics -->\nThe end", "card.md", facts(&version)).unwrap();

        assert_eq!(text, "# Mine\n| Metric | Value |\n| --- | --- |\n| accuracy | 0.875 |\nThe end\n");
        let error = filled("\n<!-- mlx:metric -->", "card.md", facts(&version)).unwrap_err();
        assert_eq!(error.to_string(), "a card has no section `metric` (card.md, line 2)");
    }
}

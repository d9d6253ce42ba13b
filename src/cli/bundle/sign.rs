//! `mlx bundle sign`: the same files with a signature beside them.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::bundle::{self, Bundle, Signed, Signer};
use crate::cli::{Context, Render, Text, keys};
use crate::fs::quote;
use crate::{Error, Result};

/// Sign a bundle
///
/// The signature follows OpenSSF Model Signing v1 and names every file of the bundle with its digest; `mlx bundle verify
/// --key` and `model_signing verify key` check it. It becomes a part of the bundle, whose digest is another one then. The
/// key is a P-256 key in PEM, as `openssl ecparam -name prime256v1 -genkey -noout` makes it.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx bundle sign dist/churn-3.tar --key release.pem
  mlx bundle sign dist/churn-3.tar --key release.pem -o signed.tar
  mlx bundle sign dist/churn-3.tar --signature model.sig")]
pub struct Sign {
    /// The bundle's file
    file: PathBuf,
    /// Private key to sign with
    #[arg(long, value_name = "KEYFILE", env = "MLX_SIGN_KEY", hide_env_values = true)]
    key: Option<PathBuf>,
    /// Take this signature, which `model_signing` made of the unpacked bundle
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    signature: Option<PathBuf>,
    /// File to write [default: the bundle's own]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Sign {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let key = keys::private(cx, self.key.as_deref())?;
        let signer = match (&key, &self.signature) {
            (Some(key), None) => Signer::Key(key),
            (_, Some(file)) => Signer::Signature(crate::fs::read(&cx.file(file))?),
            (None, None) => {
                return Err(Error::usage("nothing says who signs")
                    .with_hint("name a private key with `--key KEYFILE`, or a signature with `--signature FILE`"));
            }
        };
        let bundle = Bundle::open(&cx.file(&self.file))?;
        let file = self.output.unwrap_or(self.file);
        let signed = bundle::sign(&bundle, signer, &cx.file(&file), cx.watch())?;
        cx.out.show(&Signed { file: file.clone(), ..signed })?;
        cx.out.hint(format!("Check it: `mlx bundle verify {} --key PUBLIC_KEY`", quote(&file)));
        Ok(())
    }
}

impl Render for Signed {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { file, model, version, manifest, key, .. } = self;
        let key = key.map_or(String::new(), |key| format!(" with key {}", key.short()));
        let model = crate::fs::escape(model.as_bytes());
        writeln!(out, "Signed `{model}` {version}{key}: `{}` is {} now", quote(file), manifest.short())
    }
}

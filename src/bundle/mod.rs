//! Bundles: a model with all it needs to answer, as an OCI image layout with a CNCF ModelPack manifest.
//!
//! On disk a bundle is a tar of that layout, what skopeo calls `oci-archive`. Its name is the digest of its manifest.
//! Each weight file is a layer as it is, so that the blob's digest is the object's; code, environment, documents and the
//! ONNX Runtime library are one deterministic tar each, and [`Description`] (`mlx.bundle.json`) is one too. The same
//! inputs give the same bytes, on any machine: a bundle holds no time, no host name and no user.

mod archive;
mod assembly;
mod blobs;
mod cache;
mod card;
mod content;
mod description;
mod diff;
mod gather;
pub mod image;
mod inspect;
mod intact;
mod json;
pub mod oci;
mod open;
mod package;
mod parity;
mod path;
pub mod pickle;
mod provenance;
mod record;
mod refusal;
mod repack;
mod sbom;
mod scan;
mod shelf;
mod sign;
mod signature;
mod smoke;
mod stranger;
#[cfg(test)]
mod tests;
mod unpack;
mod verify;

pub use assembly::Assembly;
pub use blobs::{Blob, Parts, described, parts, rebuild};
pub use cache::{Cache, Using};
pub use card::{CARD, template as card_template};
pub use content::{Content, PlannedLayer, Source};
pub use description::{DESCRIPTION_FILE, Description, File, Lineage, ModelName, PythonClass, Runtime, Serve, Smoke};
pub use diff::{Change, Content as DifferingContent, Difference, diff};
pub use gather::{PACKAGES, current_card};
pub use inspect::Inspection;
pub use intact::{Damaged, Files};
pub use open::{Bundle, Layer};
pub use package::{DEFAULT_DIRECTORY, Inputs, Packaged, assemble, default_file, packaged, write};
pub use provenance::PROVENANCE;
pub use record::{Record, all as all_made, forget as forget_made, made};
pub use refusal::BadBundle;
pub use sbom::SBOM;
pub use scan::{Scan, Suspect, scan};
pub use shelf::{Cleaned, Kept, UNUSED, clean_layers, layers};
pub use sign::{Signed, Signer, sign};
pub use signature::{BadSignature, PrivateKey, PublicKey, SIGNATURE_FILE, check_directory};
pub use stranger::{OWN as OWN_FILES, code_directories, stranger};
pub use unpack::{Unpacked, unpack};
pub use verify::{Verification, verify};

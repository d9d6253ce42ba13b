//! Compressed bodies: gzip and deflate, in requests and in answers.

use std::io::{Read, Write};

use axum::http::{HeaderMap, HeaderValue, header};
use flate2::Compression;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

use super::body::{Held, Room};
use super::refusal::HttpError;

/// A smaller answer fits one packet as it is.
const SMALLEST: usize = 1024;
/// So much is unpacked before its room is asked for.
const PIECE_BYTES: usize = 64 << 10;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    /// How the request's body is compressed.
    pub fn of_body(headers: &HeaderMap) -> Result<Option<Self>, HttpError> {
        let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
        let (first, second) = (codings.next(), codings.next());
        let Some(coding) = first else { return Ok(None) };
        match coding.to_str().map(str::to_ascii_lowercase).as_deref() {
            Ok("" | "identity") if second.is_none() => Ok(None),
            Ok("gzip" | "x-gzip") if second.is_none() => Ok(Some(Self::Gzip)),
            Ok("deflate") if second.is_none() => Ok(Some(Self::Deflate)),
            _ => Err(HttpError::bad("the body's Content-Encoding is none of gzip, deflate and identity")),
        }
    }

    /// How the client wants a large answer compressed; gzip where it takes both.
    pub fn accepted(headers: &HeaderMap) -> Option<Self> {
        let (mut gzip, mut deflate, mut any) = (None, None, None);
        let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for wish in values.flat_map(|value| value.split(',')) {
            let (name, parameters) = wish.split_once(';').unwrap_or((wish, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), |weight| weight.trim().parse::<f32>());
            let is_wanted = weight.is_ok_and(|weight| weight > 0.0);
            match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => gzip = Some(is_wanted),
                "deflate" => deflate = Some(is_wanted),
                "*" => any = Some(is_wanted),
                _ => {}
            }
        }
        let is_wanted = |own: Option<bool>| own.or(any).unwrap_or(false);
        match (is_wanted(gzip), is_wanted(deflate)) {
            (true, _) => Some(Self::Gzip),
            (false, true) => Some(Self::Deflate),
            (false, false) => None,
        }
    }

    /// Its name in a header.
    pub fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        })
    }

    /// The body as it was before; no larger than a body may be, however small it came.
    pub fn unpack(self, body: Held, room: &Room) -> Result<Held, HttpError> {
        let packed = body.bytes.as_slice();
        match self {
            Self::Gzip => unpack(MultiGzDecoder::new(packed), room),
            // The standard means zlib, and some clients leave its head away.
            Self::Deflate if is_zlib(packed) => unpack(ZlibDecoder::new(packed), room),
            Self::Deflate => unpack(DeflateDecoder::new(packed), room),
        }
    }

    /// Compresses an answer; `None` where that does not pay.
    pub fn pack(self, bytes: &[u8]) -> Option<Vec<u8>> {
        if bytes.len() < SMALLEST {
            return None;
        }
        let out = Vec::with_capacity(bytes.len() / 2);
        // Writing to memory does not fail.
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, Compression::fast());
                encoder.write_all(bytes).and_then(|()| encoder.finish()).ok()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(out, Compression::fast());
                encoder.write_all(bytes).and_then(|()| encoder.finish()).ok()
            }
        }
    }
}

fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [first, second, ..] if first & 0xf == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31))
}

fn unpack(mut packed: impl Read, room: &Room) -> Result<Held, HttpError> {
    let mut held = room.empty()?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match packed.read(&mut piece).map_err(|_| HttpError::bad("the compressed body can't be unpacked"))? {
            0 => return Ok(held),
            count => room.extend(&mut held, &piece[..count])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(room: &Room, bytes: &[u8]) -> Held {
        let mut held = room.empty().unwrap();
        room.extend(&mut held, bytes).unwrap();
        held
    }

    #[test]
    fn what_is_packed_unpacks_and_never_to_more_than_a_body_may_have() {
        let room = Room::new(1 << 20);
        let text = vec![b'x'; 100_000];
        let bomb = vec![0; 2 << 20];

        for coding in [Coding::Gzip, Coding::Deflate] {
            let packed = coding.pack(&text).unwrap();
            assert!(coding.unpack(held(&room, &packed), &room).unwrap().bytes == text, "{coding:?}");
            let cut = coding.unpack(held(&room, &packed[..packed.len() / 2]), &room);
            assert_eq!(cut.err().unwrap().status, 400, "{coding:?}");
            let large = coding.unpack(held(&room, &coding.pack(&bomb).unwrap()), &room);
            assert_eq!(large.err().unwrap().status, 413, "{coding:?}");
        }
        assert_eq!(Coding::Gzip.unpack(held(&room, b"nonsense"), &room).err().unwrap().status, 400);
        assert_eq!(Coding::Gzip.pack(b"short"), None);
    }

    #[test]
    fn the_client_chooses_how_the_answer_is_packed() {
        let accepted = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            Coding::accepted(&headers)
        };

        assert_eq!(accepted("gzip, deflate, br"), Some(Coding::Gzip));
        assert_eq!(accepted("gzip;q=0, deflate"), Some(Coding::Deflate));
        assert_eq!(accepted("*"), Some(Coding::Gzip));
        assert_eq!(accepted("*;q=0, gzip;q=0.5"), Some(Coding::Gzip));
        assert_eq!(accepted("gzip;q=nonsense, br"), None);
        assert_eq!(Coding::accepted(&HeaderMap::new()), None);
    }
}

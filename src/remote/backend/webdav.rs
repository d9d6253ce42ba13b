//! A remote on a web server: read by anyone, written where the server speaks WebDAV.
//!
//! A file is sent to a temporary name and then moved, so that nobody sees a part of it. nginx looks whether the place of a
//! create-only move is taken and moves then, one request at a time in each of its workers.

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use percent_encoding::percent_decode_str;
use quick_xml::events::Event;
use reqwest::header::{CONTENT_TYPE, HeaderName};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::http::{Http, broken};
use super::network::{wait, within};
use crate::remote::{Access, Body, Content, Entry, Remote, RemoteError, State, read_small};
use crate::{Error, Result};

/// A directory of a web server.
#[derive(Debug)]
pub struct WebDav {
    http: Http,
    /// Whether the scratch directory was seen to be there, or made.
    is_ready: AtomicBool,
}

/// What a moved file may take the place of.
#[derive(Debug, Clone, Copy)]
enum May<'a> {
    Replace,
    /// Only of a file with this ETag, where the server looks at it.
    ReplaceState(&'a str),
    /// Of nothing.
    Create,
}

const QUESTION: &str = "<?xml version=\"1.0\"?><propfind xmlns=\"DAV:\"><prop><resourcetype/><getcontentlength/>\
    <getetag/><getlastmodified/></prop></propfind>";
/// A longer listing is none of ours.
const LONGEST_LISTING: usize = 256 << 20;
/// Where files lie until they are whole.
const SCRATCH: &str = "tmp";

impl WebDav {
    pub fn new(base: Url, access: &Access) -> Result<Self> {
        Ok(Self { http: Http::new(base, access)?, is_ready: AtomicBool::new(false) })
    }

    async fn list(&self, directory: &str) -> Result<Vec<Entry>> {
        let slash = if directory.is_empty() { "" } else { "/" };
        let address = Url::parse(&format!("{}{slash}", self.http.address(directory)?)).context("no address")?;
        let mut request = self.http.request(method("PROPFIND")?, address.clone())?;
        request.headers_mut().insert(HeaderName::from_static("depth"), "1".parse().context("no header")?);
        request.headers_mut().insert(CONTENT_TYPE, "application/xml".parse().context("no header")?);
        *request.body_mut() = Some(QUESTION.into());
        let mut answer = self.http.ask(request).await?;
        match answer.status() {
            StatusCode::MULTI_STATUS => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Vec::new()),
            // Whether the credentials are good shows when a file is read.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED | StatusCode::FORBIDDEN | StatusCode::OK => {
                return Err(RemoteError::Unsupported("list its files").into());
            }
            _ => return Err(self.http.refusal(&answer, directory)),
        }
        let mut text = Vec::new();
        while let Some(piece) = within(self.http.silence, answer.chunk()).await?.map_err(|error| broken(&error))? {
            text.extend_from_slice(&piece);
            if text.len() > LONGEST_LISTING {
                return Err(Error::failed("the listing does not end"));
            }
        }
        let above = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let wrong = |error: quick_xml::Error| RemoteError::Transient(format!("the listing can't be read: {error}"));
        Ok(members(&text, &address, &above).map_err(wrong)?)
    }

    /// Sends a file to a name of its own in the scratch directory.
    async fn upload(&self, body: &Body<'_>) -> Result<String> {
        let random = || RandomState::new().hash_one(std::process::id());
        let name = format!("{SCRATCH}/{:016x}{:016x}", random(), random());
        let put = || self.http.request(Method::PUT, self.http.address(&name)?);
        // Better asked for before than learnt behind a long upload.
        if !self.is_ready.load(Ordering::Relaxed) {
            self.make_directories(&name).await?;
            self.is_ready.store(true, Ordering::Relaxed);
        }
        let mut answer = self.http.send(put()?, body).await?;
        if matches!(answer.status(), StatusCode::CONFLICT | StatusCode::NOT_FOUND) {
            self.make_directories(&name).await?;
            answer = self.http.send(put()?, body).await?;
        }
        match answer.status() {
            status if status.is_success() => Ok(name),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                Err(Error::from(RemoteError::Unsupported("be written to"))
                    .with_hint("it is a web server for reading; push to where it gets its files from"))
            }
            _ => Err(self.http.refusal(&answer, &name)),
        }
    }

    /// Moves an uploaded file to its place; `false` where that is taken, or not in the state that it must be in.
    async fn put_in_place(&self, scratch: &str, name: &str, may: May<'_>) -> Result<bool> {
        let mut answer = self.rename(scratch, name, may).await?;
        if matches!(answer.status(), StatusCode::CONFLICT | StatusCode::NOT_FOUND) {
            self.make_directories(name).await?;
            answer = self.rename(scratch, name, may).await?;
        }
        match answer.status() {
            status if status.is_success() => Ok(true),
            StatusCode::PRECONDITION_FAILED if !matches!(may, May::Replace) => Ok(false),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                Err(RemoteError::Unsupported("move a file, without which a part of one might be seen").into())
            }
            StatusCode::NOT_FOUND => Err(RemoteError::Transient("the uploaded file is gone".into()).into()),
            _ => Err(self.http.refusal(&answer, name)),
        }
    }

    async fn rename(&self, from: &str, to: &str, may: May<'_>) -> Result<Response> {
        let mut request = self.http.request(method("MOVE")?, self.http.address(from)?)?;
        let destination = self.http.address(to)?;
        let headers = request.headers_mut();
        headers.insert(HeaderName::from_static("destination"), destination.as_str().parse().context("no header")?);
        let overwrite = if matches!(may, May::Create) { "F" } else { "T" };
        headers.insert(HeaderName::from_static("overwrite"), overwrite.parse().context("no header")?);
        if let May::ReplaceState(tag) = may {
            // RFC 4918, section 10.4; servers that know no conditions pass over it.
            let condition = format!("<{destination}> ([{tag}])");
            headers.insert(HeaderName::from_static("if"), condition.parse().context("no header")?);
        }
        self.http.ask(request).await
    }

    /// Makes the directories above a file, from the remote's own downwards.
    async fn make_directories(&self, name: &str) -> Result<()> {
        self.make_base().await?;
        let ends = name.match_indices('/').map(|(end, _)| end);
        for directory in ends.map(|end| &name[..end]) {
            let address = Url::parse(&format!("{}/", self.http.address(directory)?)).context("no address")?;
            let answer = self.make(address).await?;
            // What is there already answers 405 or, with another server, a redirect or 409.
            let may_be_there = answer.status().is_redirection() || matches!(answer.status().as_u16(), 405 | 409);
            if !answer.status().is_success() && !may_be_there {
                return Err(self.http.refusal(&answer, directory));
            }
        }
        Ok(())
    }

    /// Makes the remote's own directory; those above it only where they turn out to be missing, since most belong to others.
    async fn make_base(&self) -> Result<()> {
        let base = &self.http.base;
        let answer = self.make(base.clone()).await?;
        if matches!(answer.status().as_u16(), 404 | 409) {
            let path = base.path();
            for (end, _) in path.match_indices('/').skip(1) {
                let mut above = base.clone();
                above.set_path(&path[..=end]);
                self.make(above).await?;
            }
        }
        match answer.status() {
            StatusCode::UNAUTHORIZED => Err(self.http.refusal(&answer, "")),
            _ => Ok(()),
        }
    }

    async fn make(&self, address: Url) -> Result<Response> {
        self.http.ask(self.http.request(method("MKCOL")?, address)?).await
    }

    /// Uploads and moves; what could not be moved is deleted.
    fn place(&self, name: &str, body: &Body<'_>, may: May<'_>) -> Result<bool> {
        wait(&self.http.interrupt, async {
            let scratch = self.upload(body).await?;
            let done = self.put_in_place(&scratch, name, may).await;
            if !matches!(done, Ok(true)) {
                // Only room is lost when that fails.
                let _ = within(Duration::from_secs(5), self.remove(&scratch)).await;
            }
            done
        })
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let answer = self.http.ask(self.http.request(Method::DELETE, self.http.address(name)?)?).await?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(()),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                Err(RemoteError::Unsupported("delete files").into())
            }
            _ => Err(self.http.refusal(&answer, name)),
        }
    }
}

impl Remote for WebDav {
    fn url(&self) -> &str {
        &self.http.shown
    }

    fn list(&self, directory: &str) -> Result<Vec<Entry>> {
        wait(&self.http.interrupt, self.list(directory))
    }

    fn find(&self, name: &str) -> Result<Option<Entry>> {
        wait(&self.http.interrupt, self.http.find(name))
    }

    fn read(&self, name: &str, range: Option<Range<u64>>, sink: &mut dyn Write) -> Result<u64> {
        wait(&self.http.interrupt, self.http.read(name, range, sink))
    }

    fn write(&self, name: &str, body: &Body<'_>) -> Result<()> {
        self.place(name, body, May::Replace).map(drop)
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        self.place(name, &Body { content: Content::Bytes(bytes), sent: &|_| Ok(()) }, May::Create)
    }

    fn read_state(&self, name: &str) -> Result<Option<State>> {
        // The tag first: should the content be newer, the tag is wrong and the swap refused.
        let Some(found) = self.find(name)? else { return Ok(None) };
        Ok(read_small(self, name)?.map(|bytes| State { bytes, tag: found.version }))
    }

    fn swap(&self, name: &str, seen: Option<&State>, bytes: &[u8]) -> Result<bool> {
        let body = Body { content: Content::Bytes(bytes), sent: &|_| Ok(()) };
        let Some(seen) = seen else { return self.place(name, &body, May::Create) };
        // Tags of some servers count seconds, and some servers look at none of them.
        if read_small(self, name)?.as_ref() != Some(&seen.bytes) {
            return Ok(false);
        }
        let is_tag = seen.tag.ends_with('"');
        self.place(name, &body, if is_tag { May::ReplaceState(&seen.tag) } else { May::Replace })
    }

    /// Servers look whether the destination of a MOVE is there, and then move.
    fn creates_atomically(&self) -> bool {
        false
    }

    fn delete(&self, name: &str) -> Result<()> {
        wait(&self.http.interrupt, self.remove(name))
    }
}

fn method(name: &str) -> Result<Method> {
    Ok(Method::from_bytes(name.as_bytes()).context("no method")?)
}

/// What the listing says of one member.
#[derive(Default)]
struct Member {
    href: String,
    length: Option<u64>,
    tag: String,
    modified: String,
    is_directory: bool,
}

/// The files of a listing that lie directly in the directory at `address`. Prefixes of names in XML are the server's choice.
fn members(text: &[u8], address: &Url, above: &str) -> Result<Vec<Entry>, quick_xml::Error> {
    let mut reader = quick_xml::Reader::from_reader(text);
    let (mut found, mut member, mut field) = (Vec::new(), Member::default(), Vec::new());
    loop {
        match reader.read_event()? {
            Event::Start(tag) => {
                field = tag.local_name().as_ref().to_vec();
                match field.as_slice() {
                    b"response" => member = Member::default(),
                    b"collection" => member.is_directory = true,
                    _ => {}
                }
            }
            Event::Empty(tag) if tag.local_name().as_ref() == b"collection" => member.is_directory = true,
            Event::Text(text) => member.learn(&field, &text.decode().unwrap_or_default()),
            Event::CData(text) => member.learn(&field, &text.decode().unwrap_or_default()),
            Event::GeneralRef(name) => member.learn(&field, character(&name.decode().unwrap_or_default())),
            Event::End(tag) => {
                field.clear();
                if tag.local_name().as_ref() == b"response" {
                    found.extend(std::mem::take(&mut member).entry(address, above));
                }
            }
            Event::Eof => return Ok(found),
            _ => {}
        }
    }
}

/// What an entity of XML stands for.
fn character(name: &str) -> &'static str {
    match name {
        "amp" | "#38" | "#x26" => "&",
        "lt" | "#60" | "#x3C" => "<",
        "gt" | "#62" | "#x3E" => ">",
        "quot" | "#34" | "#x22" => "\"",
        "apos" | "#39" | "#x27" => "'",
        _ => "",
    }
}

impl Member {
    fn learn(&mut self, field: &[u8], text: &str) {
        match field {
            b"href" => self.href.push_str(text.trim()),
            b"getcontentlength" => self.length = text.trim().parse().ok(),
            b"getetag" => self.tag.push_str(text.trim()),
            b"getlastmodified" => self.modified.push_str(text.trim()),
            _ => {}
        }
    }

    fn entry(self, address: &Url, above: &str) -> Option<Entry> {
        let decoded = |path: &str| percent_decode_str(path).decode_utf8().ok().map(|path| path.into_owned());
        let path = decoded(address.join(&self.href).ok()?.path())?;
        let name = path.strip_prefix(&decoded(address.path())?)?.to_owned();
        let is_file = !self.is_directory && !name.is_empty() && !name.contains('/');
        let version = if self.tag.is_empty() { self.modified } else { self.tag };
        is_file.then_some(Entry { name: format!("{above}{name}"), size: self.length?, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_of_any_dialect_is_understood() {
        let text = br#"<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">
            <D:response><D:href>/dav/packs/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype>
            </D:prop></D:propstat></D:response>
            <D:response><D:href>http://h/dav/packs/a%20b&amp;c</D:href><D:propstat><D:prop><D:resourcetype/>
            <lp1:getcontentlength>12</lp1:getcontentlength><lp1:getetag>"x-&quot;1"</lp1:getetag></D:prop></D:propstat></D:response>
            <D:response><D:href>/dav/packs/deep/</D:href><D:propstat><D:prop><D:resourcetype><D:collection></D:collection>
            </D:resourcetype><D:getcontentlength>4096</D:getcontentlength></D:prop></D:propstat></D:response>
            <D:response><D:href>/elsewhere/x</D:href><D:prop><D:getcontentlength>1</D:getcontentlength></D:prop></D:response>
            </D:multistatus>"#;

        let found = members(text, &Url::parse("http://h/dav/packs/").unwrap(), "packs/").unwrap();

        assert_eq!(found, [Entry { name: "packs/a b&c".into(), size: 12, version: "\"x-\"1\"".into() }]);
    }

    #[test]
    fn broken_listings_are_errors() {
        members(b"<a><b></a>", &Url::parse("http://h/").unwrap(), "").unwrap_err();
    }
}

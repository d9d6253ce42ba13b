//! What the HTTP library does not do by itself: its own refusals, of what is no request, are bare status codes and get a
//! body here, as every refusal of this server says why in JSON; a client that does not take its answer is given up; and one
//! that has said all it will say gets its answer all the same.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::refusal::HttpError;

/// So long a client that closed its side while it has no answer may still wait for one. It may also be gone: no more work is
/// done for it after that.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection on which a refusal without a body gets one. All answers of the server's own that refuse have a body.
pub struct Speaking<S> {
    stream: S,
    /// How long a client may take nothing of its answer.
    patience: Duration,
    /// Ends when a client has taken nothing for that long; there while it takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// What stands for a refusal and is not sent yet.
    waiting: Vec<u8>,
    sent: usize,
    /// Whether something was read, and nothing written since.
    is_owed: bool,
    /// Whether the client has closed its side.
    has_ended: bool,
    /// Ends when that is told, though something is owed.
    farewell: Option<Pin<Box<Sleep>>>,
}

impl<S> Speaking<S> {
    pub fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            stalled: None,
            waiting: Vec::new(),
            sent: 0,
            is_owed: false,
            has_ended: false,
            farewell: None,
        }
    }
}

impl<S: AsyncWrite + Unpin> Speaking<S> {
    /// What came of writing; an error where nothing has for too long.
    fn bounded<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            self.is_owed = false;
            return result;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.waiting.len() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.waiting[self.sent..]);
            match ready!(self.bounded(cx, written))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Speaking<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.has_ended {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                self.is_owed = true;
                return Poll::Ready(Ok(()));
            }
            self.has_ended = true;
        }
        // Whoever hears of the end gives up what it works on.
        if self.is_owed {
            let farewell = self.farewell.get_or_insert_with(|| Box::pin(tokio::time::sleep(FAREWELL)));
            ready!(farewell.as_mut().poll(cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Speaking<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(whole) = with_body(bytes) {
            self.waiting = whole;
            self.sent = 0;
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_waiting(cx))?;
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = slices.iter().find(|slice| !slice.is_empty())
            && is_refusal(first)
        {
            return self.poll_write(cx, first);
        }
        ready!(self.poll_waiting(cx))?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn is_refusal(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.1 4")
}

/// The refusal with a body, where these bytes are all of one that has none.
fn with_body(bytes: &[u8]) -> Option<Vec<u8>> {
    if !is_refusal(bytes) || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?;
    let (before, after) = head.split_once("content-length: 0\r\n")?;
    let status = StatusCode::from_bytes(bytes.get(9..12)?).ok()?;
    let body = HttpError::new(status, reason(status)).body();
    let length = body.len();
    let head = format!("{before}content-type: application/json\r\ncontent-length: {length}\r\n{after}");
    Some([head.into_bytes(), body].concat())
}

fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::URI_TOO_LONG => "the request's address is too long",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "the request's headers are too large",
        _ => "what was sent can't be read as an HTTP/1.1 request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_without_a_body_gets_one() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let expected = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
            content-type: application/json\r\ncontent-length: 47\r\ndate: x\r\n\r\n\
            {\"error\":\"the request's headers are too large\"}";

        assert_eq!(with_body(bare).as_deref(), Some(expected.as_bytes()));
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n",
            "4",
        ] {
            assert_eq!(with_body(other.as_bytes()), None, "{other}");
        }
    }
}

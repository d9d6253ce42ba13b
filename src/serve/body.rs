//! Receiving bodies: of bounded size each, of bounded size all together, and in bounded time.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// See [`Room::patience`].
const PATIENCE: Duration = Duration::from_secs(30);
/// All bodies together may take the room of so many of the largest ones.
const LARGEST_BODIES: usize = 4;
/// A client that sends too much is listened to for so long, because who is cut off while it sends hears no reason.
const CURTSEY: Duration = Duration::from_secs(1);
/// Room is counted in pieces of this size.
const PIECE_BYTES: usize = 4096;

/// The memory that bodies may take.
#[derive(Clone)]
pub struct Room {
    pieces: Arc<Semaphore>,
    largest_bytes: usize,
    /// A client that sends its body more slowly than this is turned away.
    patience: Duration,
}

/// A body that is here as a whole, and keeps its room as long as it is.
pub struct Held {
    pub bytes: Vec<u8>,
    room: OwnedSemaphorePermit,
}

/// Why a body was not received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReceived {
    /// It is larger than the limit for one, which is this.
    TooLarge(usize),
    /// It came too slowly.
    TooSlow,
    /// There is no room for it now.
    NoRoom,
    /// The client went away, or sent what is no body.
    Broken,
}

impl Room {
    pub fn new(largest_bytes: usize) -> Self {
        let pieces = LARGEST_BODIES * largest_bytes.div_ceil(PIECE_BYTES);
        Self { pieces: Arc::new(Semaphore::new(pieces)), largest_bytes, patience: PATIENCE }
    }

    /// Receives the body of a request with these headers. It takes room as it comes: what a client announces and never sends
    /// costs nothing.
    pub async fn receive(&self, headers: &HeaderMap, mut body: Body) -> Result<Held, NotReceived> {
        let received = tokio::time::timeout(self.patience, self.collect(&mut body)).await;
        let received = received.unwrap_or(Err(NotReceived::TooSlow));
        // One that asks before it sends has sent nothing yet, and listening would be to say yes.
        let asks_first = headers.contains_key(header::EXPECT);
        if let (Err(NotReceived::TooLarge(_)), false) = (&received, asks_first) {
            let rest = async { while let Some(Ok(_)) = next(&mut body).await {} };
            let _ = tokio::time::timeout(CURTSEY, rest).await;
        }
        received
    }

    async fn collect(&self, body: &mut Body) -> Result<Held, NotReceived> {
        if body.size_hint().lower() > self.largest_bytes as u64 {
            return Err(NotReceived::TooLarge(self.largest_bytes));
        }
        let mut held = self.empty()?;
        while let Some(frame) = next(body).await {
            self.extend(&mut held, &frame?)?;
        }
        Ok(held)
    }

    /// A body to which [`Room::extend`] adds.
    pub fn empty(&self) -> Result<Held, NotReceived> {
        Ok(Held { bytes: Vec::new(), room: self.take(0)? })
    }

    /// Adds to a body what its size and the room allow.
    pub fn extend(&self, held: &mut Held, data: &[u8]) -> Result<(), NotReceived> {
        let size = held.bytes.len() + data.len();
        if size > self.largest_bytes {
            return Err(NotReceived::TooLarge(self.largest_bytes));
        }
        let pieces = size.div_ceil(PIECE_BYTES) - held.room.num_permits();
        held.room.merge(self.take(pieces)?);
        held.bytes.extend_from_slice(data);
        Ok(())
    }

    fn take(&self, pieces: usize) -> Result<OwnedSemaphorePermit, NotReceived> {
        let pieces = u32::try_from(pieces).map_err(|_| NotReceived::NoRoom)?;
        self.pieces.clone().try_acquire_many_owned(pieces).map_err(|_| NotReceived::NoRoom)
    }
}

/// The next data of the body; empty for a trailer, which says nothing that is needed.
async fn next(body: &mut Body) -> Option<Result<Bytes, NotReceived>> {
    let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()).map_err(|_| NotReceived::Broken))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(room: &Room, bytes: usize) -> Result<Held, NotReceived> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(room.receive(&HeaderMap::new(), Body::from(vec![b'x'; bytes])))
    }

    /// A body of which nothing ever comes.
    struct Never;

    impl HttpBody for Never {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }

    #[test]
    fn a_body_that_comes_too_slowly_is_given_up_and_its_room_with_it() {
        let room = Room { patience: Duration::from_millis(20), ..Room::new(PIECE_BYTES) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();

        let received = runtime.block_on(room.receive(&HeaderMap::new(), Body::new(Never)));

        assert_eq!(received.err(), Some(NotReceived::TooSlow));
        assert_eq!(room.pieces.available_permits(), LARGEST_BODIES);
    }

    #[test]
    fn bodies_have_room_for_a_few_of_the_largest_and_give_it_back() {
        let room = Room::new(2 * PIECE_BYTES);

        assert_eq!(receive(&room, 2 * PIECE_BYTES + 1).err(), Some(NotReceived::TooLarge(2 * PIECE_BYTES)));
        let large: Vec<_> = (0..4).map(|_| receive(&room, 2 * PIECE_BYTES).unwrap()).collect();
        assert_eq!(receive(&room, 1).err(), Some(NotReceived::NoRoom));
        drop(large);

        assert_eq!(receive(&room, 1).unwrap().bytes, b"x");
    }
}

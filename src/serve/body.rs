//! Receiving bodies: of bounded size each, of bounded size all together, and in bounded time.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use tokio::sync::{Semaphore, SemaphorePermit};

/// A client that sends its body more slowly than this is turned away.
const PATIENCE: Duration = Duration::from_secs(30);
/// All bodies together may take the room of so many of the largest ones.
const LARGEST_BODIES: usize = 4;
/// Room is counted in pieces of this size.
const PIECE_BYTES: usize = 4096;

/// The memory that bodies may take.
pub struct Room {
    pieces: Semaphore,
    largest_bytes: usize,
}

/// A body that is here as a whole, and keeps its room as long as it is.
pub struct Received<'a> {
    pub bytes: Vec<u8>,
    pub room: SemaphorePermit<'a>,
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
        Self { pieces: Semaphore::new(LARGEST_BODIES * largest_bytes.div_ceil(PIECE_BYTES)), largest_bytes }
    }

    /// Receives the body. It takes room as it comes: what a client announces and never sends costs nothing.
    pub async fn receive(&self, body: Body) -> Result<Received<'_>, NotReceived> {
        tokio::time::timeout(PATIENCE, self.collect(body)).await.map_err(|_| NotReceived::TooSlow)?
    }

    async fn collect(&self, mut body: Body) -> Result<Received<'_>, NotReceived> {
        let too_large = NotReceived::TooLarge(self.largest_bytes);
        if body.size_hint().lower() > self.largest_bytes as u64 {
            return Err(too_large);
        }
        let mut bytes = Vec::new();
        let mut room = self.take(0)?;
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            // Trailers say nothing that is needed.
            let Ok(data) = frame.map_err(|_| NotReceived::Broken)?.into_data() else { continue };
            if bytes.len() + data.len() > self.largest_bytes {
                return Err(too_large);
            }
            let pieces = (bytes.len() + data.len()).div_ceil(PIECE_BYTES) - room.num_permits();
            room.merge(self.take(pieces)?);
            bytes.extend_from_slice(&data);
        }
        Ok(Received { bytes, room })
    }

    fn take(&self, pieces: usize) -> Result<SemaphorePermit<'_>, NotReceived> {
        let pieces = u32::try_from(pieces).map_err(|_| NotReceived::NoRoom)?;
        self.pieces.try_acquire_many(pieces).map_err(|_| NotReceived::NoRoom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(room: &Room, bytes: usize) -> Result<Received<'_>, NotReceived> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(room.receive(Body::from(vec![b'x'; bytes])))
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

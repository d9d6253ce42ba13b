//! A pipe between threads: who writes bytes and who wants to read them work side by side, in bounded memory.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::Result;

/// So many pieces wait to be read.
const PIECES: usize = 4;

/// The ends of a new pipe. An error that is sent is what the reader gets in that place.
pub fn pipe() -> (Sink, Stream) {
    let (sender, pieces) = sync_channel(PIECES);
    (Sink(sender), Stream { pieces, piece: io::Cursor::default() })
}

/// Reads what `write` writes in a thread of its own. Where it fails, so does this, whatever was made of what came before.
pub fn read_from<T>(
    write: impl FnOnce(&mut dyn Write) -> Result<()> + Send,
    read: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<T> {
    std::thread::scope(|scope| {
        let (mut sink, mut stream) = pipe();
        let writer = scope.spawn(move || write(&mut sink));
        let result = read(&mut stream);
        drop(stream);
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (written, result) {
            // Then the writer fails because nobody reads on.
            (Err(_), Err(error)) => Err(error),
            (Err(error), Ok(_)) => Err(error),
            (Ok(()), result) => result,
        }
    })
}

/// Where the bytes go in. Fails with a broken pipe once nobody reads any more.
pub struct Sink(SyncSender<io::Result<Vec<u8>>>);

impl Sink {
    /// Ends the stream with an error.
    pub fn fail(&self, error: io::Error) {
        // Nobody may be listening any more.
        let _ = self.0.send(Err(error));
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(Ok(bytes.to_vec())).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where they come out.
pub struct Stream {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: io::Cursor<Vec<u8>>,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.piece.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.pieces.recv() {
                Ok(piece) => self.piece = io::Cursor::new(piece?),
                Err(_) => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn what_goes_in_comes_out() {
        let write = |out: &mut dyn Write| {
            (0..100_u8).for_each(|number| out.write_all(&[number; 1000]).unwrap());
            Ok(())
        };
        let read = |stream: &mut dyn Read| {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            Ok(bytes)
        };

        assert_eq!(read_from(write, read).unwrap().len(), 100_000);
    }

    #[test]
    fn a_failed_writer_is_never_a_success() {
        let write = |out: &mut dyn Write| {
            out.write_all(b"half").unwrap();
            Err(Error::failed("cut off"))
        };

        let error = read_from(write, |stream| Ok(io::copy(stream, &mut io::sink()).unwrap())).unwrap_err();

        assert_eq!(error.to_string(), "cut off");
    }

    #[test]
    fn a_reader_that_gives_up_ends_the_writer() {
        let write = |out: &mut dyn Write| {
            while out.write_all(&[0; 1000]).is_ok() {}
            Err(Error::failed("nobody reads"))
        };

        let error = read_from(write, |_| Err::<(), _>(Error::failed("enough"))).unwrap_err();

        assert_eq!(error.to_string(), "enough");
    }
}

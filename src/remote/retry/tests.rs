//! The rules of trying again, on files in memory behind calls that fail.

use std::collections::BTreeMap;

use super::*;
use crate::event::{Recorder, Silent};
use crate::remote::Content;

/// Files in memory; each read breaks after so many bytes, and the first calls fail.
#[derive(Debug, Default, Clone)]
struct Shaky {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// Bytes of a read before it breaks; 0 for none that breaks.
    breaks_after: usize,
    /// What each call fails with until it is empty; a write has happened all the same.
    failures: Arc<Mutex<Vec<RemoteError>>>,
    reads: Arc<Mutex<Vec<Option<Range<u64>>>>>,
}

impl Shaky {
    fn with(name: &str, content: &[u8], breaks_after: usize) -> Self {
        let files = Arc::new(Mutex::new(BTreeMap::from([(name.to_owned(), content.to_vec())])));
        Self { files, breaks_after, ..Self::default() }
    }

    fn failing(failures: impl Into<Vec<RemoteError>>) -> Self {
        Self { failures: Arc::new(Mutex::new(failures.into())), ..Self::default() }
    }

    fn fails(&self) -> Result<()> {
        self.failures.lock().unwrap().pop().map_or(Ok(()), |error| Err(error.into()))
    }

    fn retried(self) -> Retry {
        quick(self, Arc::new(Silent), Interrupt::default())
    }
}

fn quick(inner: Shaky, events: Arc<dyn EventSink>, interrupt: Interrupt) -> Retry {
    let patience = Patience { attempts: 3, first: Duration::from_millis(1), ..Patience::default() };
    Retry::new(Box::new(inner), patience, events, interrupt)
}

fn cut() -> RemoteError {
    RemoteError::Transient("cut".into())
}

impl Remote for Shaky {
    fn url(&self) -> &str {
        "shaky"
    }

    fn list(&self, _: &str) -> Result<Vec<Entry>> {
        self.fails()?;
        let names = ["fine", "../evil", "a\nb"];
        Ok(names.map(|name| Entry { name: name.into(), size: 0, version: String::new() }).into())
    }

    fn find(&self, name: &str) -> Result<Option<Entry>> {
        let files = self.files.lock().unwrap();
        let entry = |content: &Vec<u8>| Entry { name: name.into(), size: content.len() as u64, version: "1".into() };
        Ok(files.get(name).map(entry))
    }

    fn read(&self, name: &str, range: Option<Range<u64>>, sink: &mut dyn Write) -> Result<u64> {
        self.reads.lock().unwrap().push(range.clone());
        let files = self.files.lock().unwrap();
        let content = files.get(name).ok_or_else(|| RemoteError::Missing { name: name.into() })?;
        let content = range.map_or(&content[..], |range| &content[range.start as usize..range.end as usize]);
        let (part, breaks) = match self.breaks_after {
            0 => (content, false),
            most => (&content[..content.len().min(most)], content.len() > most),
        };
        for piece in part.chunks(1000) {
            sink.write_all(piece).map_err(anyhow::Error::new)?;
        }
        if breaks { Err(cut().into()) } else { Ok(part.len() as u64) }
    }

    fn write(&self, name: &str, body: &Body<'_>) -> Result<()> {
        let mut content = Vec::new();
        body.content.open().unwrap().read_to_end(&mut content).unwrap();
        (body.sent)(content.len() as u64).map_err(anyhow::Error::new)?;
        self.files.lock().unwrap().insert(name.into(), content);
        self.fails()
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let mut files = self.files.lock().unwrap();
        let created = !files.contains_key(name);
        files.entry(name.into()).or_insert_with(|| bytes.to_vec());
        self.fails()?;
        Ok(created)
    }

    fn delete(&self, _: &str) -> Result<()> {
        self.fails()
    }
}

#[test]
fn a_broken_read_goes_on_where_it_broke() {
    let content: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    for range in [None, Some(0..3_000_000), Some(10..2_500_000)] {
        let shaky = Shaky::with("a", &content, 1_200_000);
        let retry = Retry::new(
            Box::new(shaky.clone()),
            Patience { first: Duration::ZERO, attempts: 2, ..Patience::default() },
            Arc::new(Silent),
            Interrupt::default(),
        );
        let mut read = Vec::new();

        let count = retry.read("a", range.clone(), &mut read).unwrap();

        let wanted = range.clone().unwrap_or(0..3_000_000);
        assert_eq!(count, wanted.end - wanted.start);
        assert!(read == content[wanted.start as usize..wanted.end as usize], "{range:?}");
        let reads = shaky.reads.lock().unwrap();
        assert_eq!(reads[1], Some(wanted.start + 1_200_000..wanted.end), "{range:?}");
    }
}

#[test]
fn a_short_file_comes_from_one_attempt() {
    let shaky = Shaky::with("a", &[7; 5000], 4000);
    let patience = Patience { first: Duration::ZERO, attempts: 2, ..Patience::default() };
    let retry = Retry::new(Box::new(shaky.clone()), patience, Arc::new(Silent), Interrupt::default());
    let mut read = Vec::new();

    retry.read("a", None, &mut read).unwrap_err();

    assert_eq!((read.len(), &shaky.reads.lock().unwrap()[..]), (0, &[None, None][..]));
}

#[test]
fn a_failing_sink_is_not_tried_again() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the sink's own"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let shaky = Shaky::with("a", &[7; 5000], 0);
    let retry = Retry::new(Box::new(shaky.clone()), Patience::default(), Arc::new(Silent), Interrupt::default());

    let error = retry.read("a", Some(0..5000), &mut Full).unwrap_err();

    assert_eq!((error.to_string(), shaky.reads.lock().unwrap().len()), ("the sink's own".into(), 1));
}

#[test]
fn only_what_may_pass_is_tried_again() {
    let retried = Shaky::failing([cut(), cut()]).retried();
    let denied = Shaky::failing([cut(), RemoteError::Denied("no".into())]).retried();
    let hopeless = Shaky::failing([cut(), cut(), cut()]).retried();

    retried.delete("a").unwrap();
    assert_eq!(denied.delete("a").unwrap_err().to_string(), "cannot delete `a` on shaky: access denied: no");
    let error = hopeless.delete("a").unwrap_err();
    assert_eq!(error.to_string(), "cannot delete `a` on shaky (tried 3 times): cut");
    assert!(error.hint().is_some());
}

#[test]
fn who_listens_hears_of_each_attempt_and_waits_as_long_as_the_server_says() {
    let recorder = Arc::new(Recorder::default());
    let busy = RemoteError::Busy { message: "slow down".into(), after: Duration::from_millis(30) };
    let retry = quick(Shaky::failing([busy]), recorder.clone(), Interrupt::default());
    let started = Instant::now();

    retry.delete("a").unwrap();

    assert!(started.elapsed() >= Duration::from_millis(30));
    let [Event::Detail { message }] = &recorder.events()[..] else { panic!("{:?}", recorder.events()) };
    assert!(message.contains("cannot delete `a` on shaky: slow down; trying again"), "{message}");
}

#[test]
fn who_waits_for_long_is_warned_once() {
    let recorder = Arc::new(Recorder::default());
    let patience = Patience { attempts: 6, first: Duration::from_millis(1), ..Patience::default() };
    let failures: Vec<RemoteError> = (0..12).map(|_| cut()).collect();
    let retry = Retry::new(Box::new(Shaky::failing(failures)), patience, recorder.clone(), Interrupt::default());

    retry.delete("a").unwrap_err();
    retry.delete("b").unwrap_err();

    let events = recorder.events();
    let warned = |event: &&Event| matches!(event, Event::Warning { .. });
    let warnings: Vec<&Event> = events.iter().filter(warned).collect();
    let [Event::Warning { message, .. }] = &warnings[..] else { panic!("{events:?}") };
    assert_eq!(message, "cannot delete `a` on shaky: cut; trying again, 3 times at most");
}

#[test]
fn what_was_sent_is_counted_once() {
    let retry = Shaky::failing([cut(), cut()]).retried();
    let counted = AtomicU64::new(0);
    let sent = |bytes| {
        counted.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    };

    retry.write("a", &Body { content: Content::Bytes(b"12345"), sent: &sent }).unwrap();

    assert_eq!(counted.into_inner(), 5);
}

#[test]
fn a_lost_answer_does_not_lose_the_creation() {
    let retry = Shaky::failing([cut()]).retried();

    assert!(retry.create("a", b"mine").unwrap());
    assert!(!retry.create("a", b"theirs").unwrap());
}

#[test]
fn the_wish_to_stop_ends_the_waiting() {
    let interrupt = Interrupt::default();
    let shaky = Shaky::failing(vec![RemoteError::Busy { message: "x".into(), after: Duration::from_secs(300) }]);
    let retry = quick(shaky, Arc::new(Silent), interrupt.clone());

    let error = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| retry.delete("a").unwrap_err());
        interrupt.request();
        waiting.join().unwrap()
    });

    assert_eq!(error.kind(), Kind::Interrupted);
}

#[test]
fn names_from_a_listing_are_looked_at_with_suspicion() {
    let names: Vec<_> = Shaky::default().retried().list("").unwrap().into_iter().map(|entry| entry.name).collect();

    assert_eq!(names, ["fine"]);
    assert!(Shaky::default().retried().delete("../x").is_err());
}

#[test]
fn pauses_grow_up_to_a_limit() {
    let patience = Patience::default();

    assert!(patience.pause(1) <= patience.first && patience.pause(1) >= patience.first / 2);
    assert!(patience.pause(30) <= patience.longest && patience.pause(30) >= patience.longest / 2);
}

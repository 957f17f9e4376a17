//! Writes the log on a thread of its own, so that no request waits for the log or fails with it.
//!
//! A line that cannot be kept or written is counted in [`dropped_lines`], which the metrics show,
//! and the log says so as soon as a line can be written again. The formats are `tracing`'s. The
//! non-blocking writer that comes with it counts no failed writes, and panics if it cannot report
//! its own errors.

use std::{
    io::{self, Write},
    sync::{
        LazyLock,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

/// How many lines wait for a log that accepts none. Further lines are dropped.
const MAX_WAITING_LINES: usize = 4096;
/// The pause between attempts to add an entry to a full queue while the process ends.
const FLUSH_PAUSE: Duration = Duration::from_millis(5);
const FLUSH_ATTEMPTS: u32 = 200;

static DROPPED_LINES: LazyLock<Counter> = LazyLock::new(Counter::default);

/// How many lines of the log this process has dropped.
#[must_use]
pub fn dropped_lines() -> Counter {
    DROPPED_LINES.clone()
}

enum Entry {
    Line(Vec<u8>),
    /// Every earlier line has been written or dropped when this sender is dropped.
    Flush(#[expect(dead_code, reason = "only its end is observed")] SyncSender<()>),
}

/// Passes lines to the thread that writes them. Writing never blocks and never fails.
#[derive(Clone, Debug)]
pub struct LogWriter(SyncSender<Entry>);

impl LogWriter {
    /// Starts a thread that writes to `sink`.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let (sender, entries) = sync_channel(MAX_WAITING_LINES);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_entries(&entries, sink))?;
        Ok(Self(sender))
    }

    /// Waits until every earlier line has been written or dropped, for at most two seconds.
    pub fn flush(&self) {
        let (sender, flushed) = sync_channel(0);
        let mut entry = Entry::Flush(sender);
        for _ in 0..FLUSH_ATTEMPTS {
            match self.0.try_send(entry) {
                Err(TrySendError::Full(rejected)) => entry = rejected,
                // The sender is dropped without a message, so every result means that the wait is
                // over.
                Ok(()) | Err(TrySendError::Disconnected(_)) => {
                    let _over = flushed.recv_timeout(FLUSH_PAUSE * FLUSH_ATTEMPTS);
                    return;
                }
            }
            thread::sleep(FLUSH_PAUSE);
        }
    }
}

impl Write for LogWriter {
    /// `tracing` writes each line with one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.try_send(Entry::Line(line.to_vec())).is_err() {
            DROPPED_LINES.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for LogWriter {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

fn write_entries(entries: &Receiver<Entry>, mut sink: impl Write) {
    let mut reported = DROPPED_LINES.get();
    for entry in entries {
        let Entry::Line(line) = entry else { continue };
        if sink.write_all(&line).is_err() {
            DROPPED_LINES.inc();
            continue;
        }
        let dropped = DROPPED_LINES.get();
        if dropped > reported {
            reported = dropped;
            tracing::warn!(since_start = dropped, "lines of the log were dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        mpsc::{Sender, channel},
    };

    use tracing_subscriber::fmt;

    use super::*;

    /// Says when a write begins, and waits until the test says whether it succeeds.
    struct Sink {
        begun: Sender<()>,
        results: Receiver<bool>,
        written: Arc<Mutex<String>>,
    }

    impl Write for Sink {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.begun.send(()).unwrap();
            // At the end of the test every write succeeds.
            if !self.results.recv().unwrap_or(true) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.written.lock().unwrap().push_str(&String::from_utf8_lossy(line));
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// One test, because all logs of a process share the count.
    #[test]
    fn dropped_lines_are_counted_and_reported_when_the_log_is_writable_again() {
        let (begun, writes) = channel();
        let (decide, results) = channel();
        let written = Arc::new(Mutex::new(String::new()));
        let writer = LogWriter::start(Sink { begun, results, written: written.clone() }).unwrap();
        let subscriber = fmt().with_writer(writer.clone()).with_ansi(false).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();

        tracing::info!("not written");
        writes.recv().unwrap();
        decide.send(false).unwrap();
        tracing::info!("waiting");
        writes.recv().unwrap();
        // Now the thread waits with one line, and the queue is empty.
        assert_eq!(dropped_lines().get(), 1);
        for _ in 0..MAX_WAITING_LINES + 10 {
            tracing::info!("waiting");
        }
        assert_eq!(dropped_lines().get(), 11);

        drop(decide);
        // The report is written after the lines before it.
        writer.flush();
        writer.flush();
        let written = written.lock().unwrap();
        assert!(!written.contains("not written"));
        assert_eq!(written.matches("waiting").count(), MAX_WAITING_LINES + 1);
        // The report itself finds no room at first.
        let report = format!("dropped since_start={}", dropped_lines().get());
        assert!(written.contains(&report), "no {report}");
    }
}

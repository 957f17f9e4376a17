//! The log of this process, kept in memory so that the disclosure check can search it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// The log of the gateway crate. There is one for the process, because a process has one
/// subscriber.
#[derive(Clone, Debug, Default)]
pub(super) struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// The log of this process. The first call installs the subscriber that fills it.
    pub(super) fn of_this_process() -> Self {
        static OUTPUT: OnceLock<Output> = OnceLock::new();
        OUTPUT
            .get_or_init(|| {
                let output = Self::default();
                // If the process already has a subscriber, this fails and the output stays empty.
                let _installed = tracing_subscriber::fmt()
                    .with_env_filter(EnvFilter::new("mcp_preflight=trace"))
                    .with_ansi(false)
                    .with_writer(output.clone())
                    .try_init();
                output
            })
            .clone()
    }

    /// The number of bytes logged so far.
    pub(super) fn len(&self) -> usize {
        self.bytes().len()
    }

    /// The log from this byte on.
    pub(super) fn since(&self, start: usize) -> String {
        String::from_utf8_lossy(self.bytes().get(start..).unwrap_or_default()).into_owned()
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

//! Limits the connections of clients, in total and for each address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::config::ConnectionLimits;

/// The open connections.
#[derive(Default)]
pub(super) struct ConnectionSlots {
    open: Mutex<Open>,
    /// A slot has become free.
    freed: Notify,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// The slot of one connection, until it is dropped.
pub(super) struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    peer: IpAddr,
}

impl ConnectionSlots {
    /// Waits until fewer connections than `max_total` are open. The system keeps further
    /// connections in the queue of the listener.
    pub(super) async fn wait(&self, max_total: usize) {
        let mut is_reported = false;
        while self.open().total >= max_total {
            if !is_reported {
                tracing::warn!(max_total, "no connection is accepted until another one ends");
                is_reported = true;
            }
            self.freed.notified().await;
        }
    }

    /// A slot for a connection; `None` if its address has as many as it may have.
    pub(super) fn take(
        self: &Arc<Self>,
        peer: IpAddr,
        limits: ConnectionLimits,
    ) -> Option<ConnectionSlot> {
        let mut open = self.open();
        let of_peer = open.by_peer.entry(peer).or_default();
        if *of_peer >= limits.per_peer {
            return None;
        }
        *of_peer += 1;
        open.total += 1;
        Some(ConnectionSlot { slots: Arc::clone(self), peer })
    }

    /// No code panics while it holds the lock.
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut open = self.slots.open();
        open.total -= 1;
        if let Some(of_peer) = open.by_peer.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                open.by_peer.remove(&self.peer);
            }
        }
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits { total: 3, per_peer: 2 };

    #[tokio::test]
    async fn slots_are_limited_and_become_free() {
        let slots = Arc::new(ConnectionSlots::default());
        let (first, second) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let one = slots.take(first, LIMITS).unwrap();
        let _two = slots.take(first, LIMITS).unwrap();
        assert!(slots.take(first, LIMITS).is_none());
        let _three = slots.take(second, LIMITS).unwrap();
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.wait(LIMITS.total).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(one);
        waiting.await.unwrap();
        assert!(slots.take(first, LIMITS).is_some());
        assert_eq!(slots.open().by_peer.len(), 2);
    }
}

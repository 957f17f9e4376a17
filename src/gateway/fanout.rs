//! Asks several servers at once, and not more than a machine can bear.
//!
//! Whom, and what their answers mean, is decided elsewhere.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::JoinSet};

use crate::core::{access::ServerId, status::Failure};

/// How many servers one request asks at the same time; the others wait for their turn, within the same deadline (PRB-03).
const AT_ONCE: usize = 64;

/// Runs what is asked of each server, and gives the answers in configuration order. Dropping the future ends all that still run.
///
/// # Errors
/// One of them panicked: a defect of the gateway, and no reason to fail open (OPN-18).
pub(super) async fn at_once<T, F>(
    asked: impl IntoIterator<Item = (ServerId, F)>,
) -> Result<Vec<(ServerId, T)>, Failure>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut asking = JoinSet::new();
    for (server, answer) in asked {
        let turns = Arc::clone(&turns);
        asking.spawn(async move {
            let _turn = turns.acquire_owned().await;
            (server, answer.await)
        });
    }
    let mut answers = Vec::with_capacity(asking.len());
    while let Some(answer) = asking.join_next().await {
        answers.push(answer.map_err(|_| Failure::Internal)?);
    }
    answers.sort_by_key(|(server, _)| *server);
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn as_many_as_may_are_asked_at_once_and_no_more() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // Nobody gets past it alone: it opens each time that it is full.
        let full = Arc::new(Barrier::new(AT_ONCE));
        let asked = (0..3 * u16::try_from(AT_ONCE).unwrap()).rev().map(|server| {
            let (now, most, full) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&full));
            (ServerId(server), async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                full.wait().await;
                now.fetch_sub(1, Ordering::SeqCst);
            })
        });
        let answers = at_once(asked).await.unwrap();
        assert!(answers.is_sorted_by_key(|(server, ())| *server) && answers.len() == 3 * AT_ONCE);
        assert_eq!(most.load(Ordering::SeqCst), AT_ONCE);
    }

    #[tokio::test]
    async fn a_panic_is_not_taken_for_an_answer() {
        async fn broken() {
            panic!("a defect");
        }
        assert_eq!(at_once([(ServerId(0), broken())]).await, Err(Failure::Internal));
    }
}

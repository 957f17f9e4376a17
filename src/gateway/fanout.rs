//! Sends requests to several servers concurrently, with a limit.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::JoinSet};

use crate::core::{access::ServerId, status::Failure};

/// How many servers one request uses concurrently. The others wait, within the same deadline
/// (PRB-03).
const MAX_CONCURRENT: usize = 64;

/// Runs one task for each server and returns the results in configuration order. Dropping the
/// future aborts the tasks that still run.
///
/// # Errors
/// A task panicked. That is a defect of the gateway, not a reason to fail open (OPN-18).
pub(super) async fn run_for_each<T, F>(
    tasks: impl IntoIterator<Item = (ServerId, F)>,
) -> Result<Vec<(ServerId, T)>, Failure>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(MAX_CONCURRENT));
    let mut running = JoinSet::new();
    for (server, task) in tasks {
        let permits = Arc::clone(&permits);
        running.spawn(async move {
            let _permit = permits.acquire_owned().await;
            (server, task.await)
        });
    }
    let mut results = Vec::with_capacity(running.len());
    while let Some(result) = running.join_next().await {
        results.push(result.map_err(|_| Failure::Internal)?);
    }
    results.sort_by_key(|(server, _)| *server);
    Ok(results)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn as_many_tasks_as_the_limit_run_at_once() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // A task passes the barrier only when as many as the limit have reached it.
        let barrier = Arc::new(Barrier::new(MAX_CONCURRENT));
        let tasks = (0..3 * u16::try_from(MAX_CONCURRENT).unwrap()).rev().map(|server| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            let barrier = Arc::clone(&barrier);
            let task = async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                barrier.wait().await;
                running.fetch_sub(1, Ordering::SeqCst);
            };
            (ServerId(server), task)
        });
        let results = run_for_each(tasks).await.unwrap();
        assert!(results.is_sorted_by_key(|(server, ())| *server));
        assert_eq!(results.len(), 3 * MAX_CONCURRENT);
        assert_eq!(most.load(Ordering::SeqCst), MAX_CONCURRENT);
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_failure() {
        async fn panicking() {
            panic!("a defect");
        }
        let results = run_for_each([(ServerId(0), panicking())]).await;
        assert_eq!(results, Err(Failure::Internal));
    }
}

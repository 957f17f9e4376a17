//! The time limits of the model gateway.

use std::time::Duration;

/// How long the gateway waits for the response to a probe.
pub const PROBE_DEADLINE: Duration = Duration::from_secs(1);

/// How long the gateway waits for the head of a response, and again for a body that is not an event
/// stream.
pub const REQUEST_DEADLINE: Duration = Duration::from_millis(1_500);

/// The time limit for ending the session of a probe. The response to the client does not wait for
/// it.
pub(super) const SESSION_END_DEADLINE: Duration = Duration::from_secs(3);

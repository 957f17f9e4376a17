//! The status, JSON-RPC code and text of every failure.
//!
//! A [`Failure`] is the reason why a request ends without the upstream's own response. The table in
//! this module is the only place that maps failures to statuses and codes. No text can contain an
//! upstream's URL, a library's message or a secret, because no function here takes one (CHL-20,
//! OBS-05). The statuses of other answers are in [`answer_status`](super::answer_status).

pub mod code;
mod failure;
mod table;
mod text;

pub use self::{
    failure::{Failure, FailureSource},
    table::ErrorResponse,
};

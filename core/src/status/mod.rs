//! The status, JSON-RPC code and text of every answer that the gateway writes itself.
//!
//! A [`Failure`] is the reason why a request ends without the upstream's own response. The table in
//! this module is the only place that maps failures to statuses and codes. No text can contain an
//! upstream's URL, a library's message or a secret, because no function here takes one (CHL-20,
//! OBS-05). An [`AnswerStatus`] can only be made here, so no other module can
//! choose a status that the gateway sends.

mod answer;
pub mod code;
mod failure;
mod table;
mod text;

pub use self::{
    answer::{AggregateError, AnswerStatus, JsonAnswer, Success, TextAnswer, metrics_error},
    failure::{Failure, FailureSource},
    table::ErrorResponse,
};

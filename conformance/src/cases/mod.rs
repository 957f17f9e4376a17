//! Defines what is sent and what is expected: matrix cases, scenarios, mock behaviours and rules.
//!
//! A case is either a *matrix case*, generated from the axes, or a *scenario*, written by hand.
//! This module does not send requests or read responses.

pub mod axis;
pub mod behaviour;
pub mod deployment;
pub mod expectation;
pub mod matrix;
pub mod matrix_case;
pub mod pattern;
pub mod placeholder;
pub mod rule;
pub mod scenario;
pub mod selection;
pub mod selector;
pub mod token_script;

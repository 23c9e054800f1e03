//! A fit that is saved while it trains, as a client sees it: how far it was, not what it holds.

use serde::Serialize;
use utoipa::ToSchema;

use super::clock::Timestamp;

/// From where a fit goes on if it is broken off.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SavedFit {
    /// What is trained.
    pub kind: FitKind,
    /// Which repeat, from 0; null for the final model.
    pub repeat: Option<u32>,
    /// Which fold of the repeat, from 0; null for the final model.
    pub fold: Option<u32>,
    /// Which point of a curve, from 0; absent where none is drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point: Option<u32>,
    /// The last whole epoch, 0 before the first; null for a perceptron of several classes, which
    /// trains one weight vector after the other, and while a search compares its candidates. It,
    /// `size_bytes` and `saved_at` are null of what a version saved that did not note them.
    pub epoch: Option<u32>,
    /// Seconds that training had taken, in all its attempts.
    pub spent_s: f64,
    /// What the state takes in the artifact store.
    pub size_bytes: Option<u64>,
    /// When it was saved.
    pub saved_at: Option<Timestamp>,
}

/// What a fit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FitKind {
    /// A fold's model.
    Fold,
    /// The final model, trained on all rows.
    Refit,
}

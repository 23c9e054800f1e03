//! Models in memory, ready to predict. Reading takes no lock.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::ArcSwap;
use trainyard_formats::csv::CsvOptions;
use trainyard_learn::artifact::TrainedModel;

use super::AppState;
use super::problem::ApiError;
use crate::domain::ids::{ModelId, ProjectId};

/// At most so many models stay in memory; beyond, one makes room.
const MAX_LOADED: usize = 256;

type Loaded = HashMap<(ProjectId, ModelId), Arc<LoadedModel>>;

/// A model, and how values were written in what it was trained on.
#[derive(Debug)]
pub(super) struct LoadedModel {
    model: TrainedModel,
    pub(super) values: CsvOptions,
}

impl Deref for LoadedModel {
    type Target = TrainedModel;

    fn deref(&self) -> &TrainedModel {
        &self.model
    }
}

/// Models in memory.
#[derive(Debug, Default)]
pub(super) struct LoadedModels(ArcSwap<Loaded>);

impl LoadedModels {
    fn get(&self, key: (ProjectId, ModelId)) -> Option<Arc<LoadedModel>> {
        self.0.load().get(&key).cloned()
    }

    fn put(&self, key: (ProjectId, ModelId), model: &Arc<LoadedModel>) {
        self.0.rcu(|loaded| {
            let mut loaded = Loaded::clone(loaded);
            if loaded.len() >= MAX_LOADED
                && let Some(any) = loaded.keys().next().copied()
            {
                loaded.remove(&any);
            }
            loaded.insert(key, Arc::clone(model));
            loaded
        });
    }

    /// Drops a model that was deleted.
    pub(super) fn forget(&self, id: ModelId) {
        self.0.rcu(|loaded| {
            let mut loaded = Loaded::clone(loaded);
            loaded.retain(|(_, model), _| *model != id);
            loaded
        });
    }
}

/// A model of the caller's project, from memory or from its blob.
pub(super) async fn load(state: &AppState, id: ModelId) -> Result<Arc<LoadedModel>, ApiError> {
    let key = (state.project(), id);
    if let Some(model) = state.models.get(key) {
        return Ok(model);
    }
    let row = state.store.model(key.0, id).await?;
    let row = row.ok_or_else(|| ApiError::not_found("model", id))?;
    let bytes = state.blobs.get(&row.sha256).await?;
    let model = TrainedModel::from_bytes(&bytes).map_err(ApiError::internal)?;
    let values = row.card.csv.unwrap_or_default();
    let model = Arc::new(LoadedModel { model, values });
    state.models.put(key, &model);
    // It may have been deleted, and forgotten, while its bytes were read.
    if state.store.model(key.0, id).await?.is_none() {
        state.models.forget(id);
        return Err(ApiError::not_found("model", id));
    }
    Ok(model)
}

//! A trained model as bytes and back: a versioned manifest and tensors, in the safetensors format.
//!
//! A model file is data: reading one runs nothing, and dimensions are compared with the manifest
//! before anything is built from them. The same model always gives the same bytes.

use std::borrow::Cow;
use std::collections::HashMap;

use ndarray::{Array1, Array2};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::kernels::{Crew, Values};
use crate::losses::{LossSpec, TargetKind};
use crate::model::{Model, NetworkModel, Predicted};
use crate::network::LayerSpec;
use crate::output::Output;
use crate::perceptron::Perceptron;
use crate::preprocess::{Preprocessor, TargetTransform};
use crate::scalar::Scalar;

/// A trained model with what is needed to use it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedModel {
    /// How the columns that it takes become features.
    pub preprocessor: Preprocessor,
    /// The columns it predicts.
    pub targets: Vec<String>,
    /// The classes it chooses from, in the order of their indices; none where it predicts values.
    pub classes: Vec<Scalar>,
    /// What its values are brought back by, where it learned transformed ones.
    pub target_transform: Option<TargetTransform>,
    /// What is done to its predictions.
    pub output: Output,
    /// Its parameters.
    pub model: Model,
}

/// Why bytes are no model.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The container cannot be read.
    #[error("no safetensors file: {0}")]
    Container(#[from] safetensors::SafeTensorError),
    /// The manifest is missing or cannot be read.
    #[error("no manifest: {0}")]
    Manifest(String),
    /// It was written by another version.
    #[error("format version {0}; this version reads {FORMAT_VERSION}")]
    Version(u32),
    /// The tensors are not what the manifest says.
    #[error("tensor {name}: {reason}")]
    Tensor {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
}

const FORMAT_VERSION: u32 = 3;
const MANIFEST: &str = "trainyard";
const BUFFERS: &str = "buffers";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format_version: u32,
    preprocessor: Preprocessor,
    targets: Vec<String>,
    classes: Vec<Scalar>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_transform: Option<TargetTransform>,
    #[serde(default, skip_serializing_if = "is_nothing")]
    output: Output,
    model: Family,
}

fn is_nothing(output: &Output) -> bool {
    *output == Output::default()
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Family {
    Perceptron { n_iter: usize, converged: bool },
    Network { layers: Vec<LayerSpec>, loss: LossSpec, n_outputs: usize },
}

/// A tensor on its way into a file.
struct Tensor<'a> {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Little-endian.
    bytes: Cow<'a, [u8]>,
}

impl<'a> Tensor<'a> {
    fn f64(name: &str, shape: Vec<usize>, values: impl Iterator<Item = f64>) -> Self {
        let bytes = values.flat_map(f64::to_le_bytes).collect();
        Self { name: name.to_owned(), dtype: Dtype::F64, shape, bytes }
    }

    fn f32(name: &str, shape: Vec<usize>, values: &'a [f32]) -> Self {
        let bytes = if cfg!(target_endian = "little") {
            Cow::Borrowed(bytemuck::cast_slice(values))
        } else {
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        };
        Self { name: name.to_owned(), dtype: Dtype::F32, shape, bytes }
    }
}

impl TrainedModel {
    /// What it predicts.
    pub fn kind(&self) -> TargetKind {
        TargetKind::of(self.targets.len(), self.classes.len())
    }

    /// What it says of rows of features, rows × `n_features`.
    pub fn predict(&self, x: &[f64], n_features: usize, crew: &mut Crew) -> Predicted {
        let predicted = self.model.predict(x, n_features, self.kind(), crew);
        self.output.apply(predicted.brought_back(self.target_transform.as_ref()))
    }

    /// The model as a file's bytes.
    ///
    /// # Errors
    /// When a tensor does not fit the format, which no trained model's does.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArtifactError> {
        let mut tensors = Vec::new();
        let family = match &self.model {
            Model::Perceptron(Perceptron { coef, intercept, n_iter, converged }) => {
                tensors.push(Tensor::f64("coef", coef.shape().to_vec(), coef.iter().copied()));
                let shape = intercept.shape().to_vec();
                tensors.push(Tensor::f64("intercept", shape, intercept.iter().copied()));
                Family::Perceptron { n_iter: *n_iter, converged: *converged }
            }
            Model::Network(model) => {
                for tensor in model.network.tensors() {
                    let values = &model.parameters[tensor.range.clone()];
                    tensors.push(Tensor::f32(&tensor.name, tensor.shape.clone(), values));
                }
                if !model.buffers.is_empty() {
                    tensors.push(Tensor::f32(BUFFERS, vec![model.buffers.len()], &model.buffers));
                }
                let (layers, loss) = (model.layers.clone(), model.loss.clone());
                Family::Network { layers, loss, n_outputs: model.network.n_outputs() }
            }
        };
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            preprocessor: self.preprocessor.clone(),
            targets: self.targets.clone(),
            classes: self.classes.clone(),
            target_transform: self.target_transform.clone(),
            output: self.output.clone(),
            model: family,
        };
        let manifest = serde_json::to_string(&manifest)
            .map_err(|error| ArtifactError::Manifest(error.to_string()))?;
        let views: Vec<(&str, TensorView<'_>)> = tensors
            .iter()
            .map(|t| Ok((t.name.as_str(), TensorView::new(t.dtype, t.shape.clone(), &t.bytes)?)))
            .collect::<Result<_, ArtifactError>>()?;
        // One entry only: the order of a map's entries would change the bytes from run to run.
        let metadata = HashMap::from([(MANIFEST.to_owned(), manifest)]);
        Ok(safetensors::serialize(views, Some(metadata))?)
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// When they are no model that this version can use.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let text = metadata
            .metadata()
            .as_ref()
            .and_then(|entries| entries.get(MANIFEST))
            .ok_or_else(|| ArtifactError::Manifest("there is none".to_owned()))?;
        let unreadable = |error: serde_json::Error| ArtifactError::Manifest(error.to_string());
        let version: Version = serde_json::from_str(text).map_err(unreadable)?;
        if version.format_version != FORMAT_VERSION {
            return Err(ArtifactError::Version(version.format_version));
        }
        let manifest: Manifest = serde_json::from_str(text).map_err(unreadable)?;
        if manifest.classes.len() == 1 {
            return Err(ArtifactError::Manifest("a single class".to_owned()));
        }
        let n_inputs = manifest.preprocessor.n_features();
        let tensors = SafeTensors::deserialize(bytes)?;
        let model = match manifest.model {
            Family::Perceptron { n_iter, converged } => {
                let n_vectors = match manifest.classes.len() {
                    2 => 1,
                    n => n,
                };
                let coef = doubles(&tensors, "coef", &[n_vectors, n_inputs])?;
                let intercept = doubles(&tensors, "intercept", &[n_vectors])?;
                let coef = Array2::from_shape_vec((n_vectors, n_inputs), coef)
                    .map_err(|error| ArtifactError::Manifest(error.to_string()))?;
                let intercept = Array1::from_vec(intercept);
                Model::Perceptron(Perceptron { coef, intercept, n_iter, converged })
            }
            Family::Network { layers, loss, n_outputs } => {
                Model::Network(network(&tensors, layers, loss, (n_inputs, n_outputs))?)
            }
        };
        let Manifest { preprocessor, targets, classes, target_transform, output, .. } = manifest;
        if let Some(transform) = &target_transform {
            let n_outputs = match &model {
                Model::Network(model) if classes.is_empty() => model.network.n_outputs(),
                _ => 0,
            };
            if transform.n_outputs() != n_outputs || !transform.is_sound() {
                let detail = "the target's transform does not fit the model";
                return Err(ArtifactError::Manifest(detail.to_owned()));
            }
        }
        Ok(Self { preprocessor, targets, classes, target_transform, output, model })
    }
}

#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

fn network(
    tensors: &SafeTensors<'_>,
    layers: Vec<LayerSpec>,
    loss: LossSpec,
    shape: (usize, usize),
) -> Result<NetworkModel, ArtifactError> {
    let mut model = NetworkModel::new(layers, loss, shape, Values::default(), Vec::new())
        .map_err(|found| ArtifactError::Manifest(found[0].detail.clone()))?;
    let mut parameters = Vec::new();
    for tensor in model.network.tensors() {
        parameters.extend(singles(tensors, &tensor.name, &tensor.shape)?);
    }
    model.parameters = Values::from(parameters.as_slice());
    if model.network.n_buffers() > 0 {
        model.buffers = singles(tensors, BUFFERS, &[model.network.n_buffers()])?;
    }
    Ok(model)
}

fn doubles(
    tensors: &SafeTensors<'_>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<f64>, ArtifactError> {
    let bytes = data(tensors, name, Dtype::F64, shape)?;
    Ok(bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
}

fn singles(
    tensors: &SafeTensors<'_>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<f32>, ArtifactError> {
    let bytes = data(tensors, name, Dtype::F32, shape)?;
    Ok(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

fn data<'t>(
    tensors: &SafeTensors<'t>,
    name: &str,
    dtype: Dtype,
    shape: &[usize],
) -> Result<&'t [u8], ArtifactError> {
    let tensor = tensors.tensor(name)?;
    if tensor.dtype() != dtype || tensor.shape() != shape {
        let reason =
            format!("{:?} {:?}, expected {dtype:?} {shape:?}", tensor.dtype(), tensor.shape());
        return Err(ArtifactError::Tensor { name: name.to_owned(), reason });
    }
    Ok(tensor.data())
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::preprocess::scale::{ScaleSpec, StandardSpec};
    use crate::preprocess::{PreprocessSpec, TargetPowerSpec, TargetTransformSpec};
    use crate::table::{Column, Values as Numbers};

    /// Of these columns, scaled, each with a gap.
    fn preprocessor(names: &[&str]) -> Preprocessor {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            values: Numbers::Numeric(vec![0.1, 1e-300, f64::NAN].into()),
        };
        let columns: Vec<Column> = names.iter().map(column).collect();
        let columns: Vec<&Column> = columns.iter().collect();
        let spec = PreprocessSpec::default()
            .with_default_scale(&ScaleSpec::Standard(StandardSpec::default()));
        Preprocessor::fit(&spec, &columns, &[0, 1, 2], None, 0).unwrap().0
    }

    fn model() -> TrainedModel {
        TrainedModel {
            preprocessor: preprocessor(&["a", "b"]),
            targets: vec!["y".into()],
            classes: vec![Scalar::Number(0.0), Scalar::Text("1".into())],
            target_transform: None,
            output: Output::default(),
            model: Model::Perceptron(Perceptron {
                coef: array![[0.1, -1e-300]],
                intercept: array![f64::MIN_POSITIVE],
                n_iter: 7,
                converged: true,
            }),
        }
    }

    fn network() -> TrainedModel {
        let layers = vec![
            LayerSpec::Dense { units: Some(3), bias: true, init: None },
            LayerSpec::batch_norm(),
            LayerSpec::Dense { units: Some(1), bias: false, init: None },
        ];
        let loss = LossSpec::Mse;
        let mut model =
            NetworkModel::new(layers, loss, (2, 1), Values::default(), Vec::new()).unwrap();
        model.parameters = model.network.initial(3);
        model.buffers = model.network.initial_buffers();
        let transform = TargetTransformSpec::YeoJohnson(TargetPowerSpec::default());
        TrainedModel {
            classes: Vec::new(),
            target_transform: transform.fit(&[0.1, 7.0, 1e-3], &["y".into()], &[0, 1, 2]).unwrap(),
            model: Model::Network(model),
            ..self::model()
        }
    }

    #[test]
    fn a_model_reads_back_bit_for_bit() {
        let bytes = model().to_bytes().unwrap();
        assert_eq!(bytes, model().to_bytes().unwrap());
        assert_eq!(TrainedModel::from_bytes(&bytes).unwrap(), model());
        let bytes = network().to_bytes().unwrap();
        assert_eq!(TrainedModel::from_bytes(&bytes).unwrap(), network());
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let bytes = model().to_bytes().unwrap();
        for length in 0..bytes.len() {
            assert!(TrainedModel::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_target_transform_that_does_not_fit_the_model_is_refused() {
        let refused = |model: &TrainedModel| {
            let error = TrainedModel::from_bytes(&model.to_bytes().unwrap()).unwrap_err();
            assert!(error.to_string().contains("transform"), "{error}");
        };
        let transform = network().target_transform;
        refused(&TrainedModel { target_transform: transform.clone(), ..model() });
        let two = |value: &TargetTransform| {
            let mut value = serde_json::to_value(value).unwrap();
            let output = value["outputs"][0].clone();
            value["outputs"].as_array_mut().unwrap().push(output);
            serde_json::from_value(value).unwrap()
        };
        refused(&TrainedModel { target_transform: transform.as_ref().map(two), ..network() });
        let flat = |value: &TargetTransform| {
            let mut value = serde_json::to_value(value).unwrap();
            value["outputs"][0]["scaled"]["scale"] = 0.0.into();
            serde_json::from_value(value).unwrap()
        };
        refused(&TrainedModel { target_transform: transform.as_ref().map(flat), ..network() });
    }

    #[test]
    fn tensors_that_do_not_fit_the_manifest_are_refused() {
        let mut wide = model();
        wide.preprocessor = preprocessor(&["a", "b", "c"]);
        let error = TrainedModel::from_bytes(&wide.to_bytes().unwrap()).unwrap_err();
        assert!(
            matches!(error, ArtifactError::Tensor { ref name, .. } if name == "coef"),
            "{error}"
        );
        let mut many = model();
        many.classes.push(Scalar::Boolean(true));
        assert!(TrainedModel::from_bytes(&many.to_bytes().unwrap()).is_err());
    }
}

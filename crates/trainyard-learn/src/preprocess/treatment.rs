//! What each column's treatment comes to, by its type and by what is asked of it alone.

use super::columns::{ColumnImpute, ColumnOptions, ColumnSpec, TreatAs};
use super::datetime::DatetimeSpec;
use super::impute::{CategoricalImpute, DatetimeImpute, NumericImpute};
use super::spec::{CategoricalSpec, NumericSpec, PreprocessSpec, TensorSpec};
use super::text::TextSpec;
use crate::scalar::Scalar;
use crate::table::ColumnType;

/// A column's options, once all defaults are in their places.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Treatment {
    Drop,
    Passthrough,
    Number(NumericSpec),
    Category(CategoricalSpec),
    Moment(DatetimeSpec),
    Text(TextSpec),
    Tensor(TensorSpec),
}

/// What an override asks for that its column cannot do, by the option's name and the reason.
pub(super) type Misfit = (&'static str, String);

impl PreprocessSpec {
    /// How the named column is treated, and what was asked of it in vain.
    pub(super) fn treatment(&self, name: &str, of: ColumnType) -> (Treatment, Vec<Misfit>) {
        let mut misfits = Vec::new();
        let none = ColumnOptions::default();
        let options = match self.columns.get(name) {
            Some(ColumnSpec::Drop) => return (Treatment::Drop, misfits),
            Some(ColumnSpec::Passthrough) => return (Treatment::Passthrough, misfits),
            Some(ColumnSpec::Options(options)) => options,
            None => &none,
        };
        let treated = match (options.treat_as, of) {
            (None, of) => of,
            (Some(TreatAs::Categorical), ColumnType::Datetime | ColumnType::Tensor) => {
                misfits.push(("as", format!("a column of {} has no categories", plural(of))));
                of
            }
            (Some(TreatAs::Categorical), _) => ColumnType::Categorical,
            (Some(TreatAs::Text), ColumnType::Categorical | ColumnType::Text) => ColumnType::Text,
            (Some(TreatAs::Text), _) => {
                misfits.push(("as", format!("a column of {} holds no texts", plural(of))));
                of
            }
        };
        let treatment = match treated {
            ColumnType::Numeric | ColumnType::Boolean => {
                Treatment::Number(self.number(options, treated, &mut misfits))
            }
            ColumnType::Categorical => Treatment::Category(self.category(options, &mut misfits)),
            ColumnType::Datetime => Treatment::Moment(self.moment(options, &mut misfits)),
            ColumnType::Text => Treatment::Text(self.text(options)),
            ColumnType::Tensor => {
                let scale = options.scale.clone().unwrap_or_else(|| self.tensor.scale.clone());
                Treatment::Tensor(TensorSpec { scale })
            }
        };
        (treatment, misfits)
    }

    fn number(
        &self,
        options: &ColumnOptions,
        of: ColumnType,
        misfits: &mut Vec<Misfit>,
    ) -> NumericSpec {
        let impute = match options.impute.as_deref() {
            None if of == ColumnType::Boolean => NumericImpute::MostFrequent.into(),
            None => self.numeric.impute.clone(),
            Some(ColumnImpute::Mean) => NumericImpute::Mean.into(),
            Some(ColumnImpute::Median) => NumericImpute::Median.into(),
            Some(ColumnImpute::MostFrequent) => NumericImpute::MostFrequent.into(),
            Some(ColumnImpute::None) => NumericImpute::None.into(),
            Some(ColumnImpute::Constant { value }) => {
                let value = match value {
                    Some(Scalar::Number(value)) => *value,
                    Some(Scalar::Boolean(value)) => f64::from(u8::from(*value)),
                    Some(Scalar::Text(text)) => {
                        misfits.push(("impute", format!("{text:?} is no number")));
                        0.0
                    }
                    None => 0.0,
                };
                NumericImpute::Constant { value }.into()
            }
        };
        NumericSpec {
            impute,
            indicator: options.indicator.unwrap_or(self.numeric.indicator),
            scale: options.scale.clone().or_else(|| self.numeric.scale.clone()),
        }
    }

    fn category(&self, options: &ColumnOptions, misfits: &mut Vec<Misfit>) -> CategoricalSpec {
        let all = self.categorical.clone();
        let impute = match options.impute.as_deref() {
            None => all.impute,
            Some(ColumnImpute::MostFrequent) => CategoricalImpute::MostFrequent.into(),
            Some(ColumnImpute::None) => CategoricalImpute::None.into(),
            Some(ColumnImpute::Constant { value }) => {
                let value = value.as_ref().map_or_else(|| "missing".to_owned(), Scalar::text);
                CategoricalImpute::Constant { value }.into()
            }
            Some(ColumnImpute::Mean | ColumnImpute::Median) => {
                misfits.push(("impute", "categories have no mean and no median".to_owned()));
                all.impute
            }
        };
        CategoricalSpec {
            impute,
            encode: options.encode.clone().unwrap_or(all.encode),
            min_frequency: options.min_frequency.or(all.min_frequency),
            max_categories: options.max_categories.or(all.max_categories),
            unseen: options.unseen.unwrap_or(all.unseen),
        }
    }

    fn moment(&self, options: &ColumnOptions, misfits: &mut Vec<Misfit>) -> DatetimeSpec {
        let all = &self.datetime;
        let impute = match options.impute.as_deref() {
            None => all.impute,
            Some(ColumnImpute::Median) => DatetimeImpute::Median,
            Some(ColumnImpute::MostFrequent) => DatetimeImpute::MostFrequent,
            Some(ColumnImpute::None) => DatetimeImpute::None,
            Some(ColumnImpute::Mean | ColumnImpute::Constant { .. }) => {
                let detail = "moments are imputed by median, most_frequent or none";
                misfits.push(("impute", detail.to_owned()));
                all.impute
            }
        };
        DatetimeSpec {
            parts: options.parts.clone().unwrap_or_else(|| all.parts.clone()),
            cyclic: options.cyclic.unwrap_or(all.cyclic),
            impute,
            indicator: options.indicator.unwrap_or(all.indicator),
            scale: options.scale.clone().or_else(|| all.scale.clone()),
        }
    }

    fn text(&self, options: &ColumnOptions) -> TextSpec {
        let all = &self.text;
        TextSpec {
            n_features: options.n_features.unwrap_or(all.n_features),
            ngram_range: options.ngram_range.unwrap_or(all.ngram_range),
            analyzer: options.analyzer.unwrap_or(all.analyzer),
            lowercase: options.lowercase.unwrap_or(all.lowercase),
            norm: options.norm.unwrap_or(all.norm),
            idf: options.idf.unwrap_or(all.idf),
            sublinear_tf: options.sublinear_tf.unwrap_or(all.sublinear_tf),
            alternate_sign: options.alternate_sign.or(all.alternate_sign),
        }
    }
}

impl Treatment {
    /// The options that it has, beside `as`.
    pub(super) fn options(&self) -> &'static [&'static str] {
        match self {
            Self::Drop | Self::Passthrough => &[],
            Self::Number(_) => &["impute", "indicator", "scale"],
            Self::Category(_) => &["impute", "encode", "min_frequency", "max_categories", "unseen"],
            Self::Moment(_) => &["impute", "indicator", "scale", "parts", "cyclic"],
            Self::Text(_) => &[
                "n_features",
                "ngram_range",
                "analyzer",
                "lowercase",
                "norm",
                "idf",
                "sublinear_tf",
                "alternate_sign",
            ],
            Self::Tensor(_) => &["scale"],
        }
    }
}

/// Values of a type, in words.
pub(super) fn plural(of: ColumnType) -> &'static str {
    match of {
        ColumnType::Numeric => "numbers",
        ColumnType::Boolean => "booleans",
        ColumnType::Categorical => "categories",
        ColumnType::Datetime => "moments",
        ColumnType::Text => "texts",
        ColumnType::Tensor => "tensors",
    }
}

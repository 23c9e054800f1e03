//! The scorers' names, and what each of them needs. How they are written is in `written`.

use std::borrow::Cow;

use crate::losses::TargetKind;

macro_rules! scorers {
    ($($(#[$doc:meta])* $scorer:ident = $name:literal,)+) => {
        /// A score of which more is better.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scorer {
            $($(#[$doc])* $scorer,)+
            /// The share of rows whose class is among so many that are most likely, other than two.
            TopK(u32),
            /// The mean pinball loss at another share than the median, negated.
            Pinball(Share),
        }

        impl Scorer {
            /// Every scorer that a name says all of.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$scorer),+];

            /// The name, as scikit-learn writes it, and the parameter where there is one, as in
            /// `top_k_accuracy(k=3)`.
            pub fn name(self) -> Cow<'static, str> {
                Cow::Borrowed(match self {
                    $(Self::$scorer => $name,)+
                    Self::TopK(k) => return format!("top_k_accuracy(k={k})").into(),
                    Self::Pinball(alpha) => {
                        return format!("neg_mean_pinball_loss(alpha={})", alpha.get()).into();
                    }
                })
            }
        }
    };
}

scorers! {
    /// The share of rows whose class was predicted; of labels, of rows with every label right.
    Accuracy = "accuracy",
    /// The mean recall of the classes in the target.
    BalancedAccuracy = "balanced_accuracy",
    /// The F1 score of the second of two classes.
    F1 = "f1",
    /// The mean F1 score of the classes.
    F1Macro = "f1_macro",
    /// The mean F1 score of the classes, weighted by their rows in the target.
    F1Weighted = "f1_weighted",
    /// The F1 score over the rows of all classes together.
    F1Micro = "f1_micro",
    /// The mean F1 score of the rows; of labels only.
    F1Samples = "f1_samples",
    /// The precision of the second of two classes.
    Precision = "precision",
    /// The mean precision of the classes.
    PrecisionMacro = "precision_macro",
    /// The mean precision of the classes, weighted by their rows in the target.
    PrecisionWeighted = "precision_weighted",
    /// The precision over the rows of all classes together.
    PrecisionMicro = "precision_micro",
    /// The mean precision of the rows; of labels only.
    PrecisionSamples = "precision_samples",
    /// The recall of the second of two classes.
    Recall = "recall",
    /// The mean recall of the classes.
    RecallMacro = "recall_macro",
    /// The mean recall of the classes, weighted by their rows in the target.
    RecallWeighted = "recall_weighted",
    /// The recall over the rows of all classes together.
    RecallMicro = "recall_micro",
    /// The mean recall of the rows; of labels only.
    RecallSamples = "recall_samples",
    /// The Jaccard index of the second of two classes.
    Jaccard = "jaccard",
    /// The mean Jaccard index of the classes.
    JaccardMacro = "jaccard_macro",
    /// The mean Jaccard index of the classes, weighted by their rows in the target.
    JaccardWeighted = "jaccard_weighted",
    /// The Jaccard index over the rows of all classes together.
    JaccardMicro = "jaccard_micro",
    /// The mean Jaccard index of the rows; of labels only.
    JaccardSamples = "jaccard_samples",
    /// The correlation of target and prediction; 0 where one of them is constant.
    MatthewsCorrcoef = "matthews_corrcoef",
    /// Agreement beyond what chance would give.
    CohenKappa = "cohen_kappa",
    /// The share of rows whose class is among the two that are most likely; 1 of two classes.
    TopKAccuracy = "top_k_accuracy",
    /// The area under the ROC curve of the second of two classes; of labels, their mean.
    RocAuc = "roc_auc",
    /// The mean area under the ROC curves of each class against the rest.
    RocAucOvr = "roc_auc_ovr",
    /// That of each class against the rest, weighted by the classes' rows in the target.
    RocAucOvrWeighted = "roc_auc_ovr_weighted",
    /// The mean area under the ROC curves of each pair of classes.
    RocAucOvo = "roc_auc_ovo",
    /// That of each pair of classes, weighted by the pairs' rows in the target.
    RocAucOvoWeighted = "roc_auc_ovo_weighted",
    /// The mean precision over the steps of recall: of the second of two classes, else the mean
    /// over the classes or labels.
    AveragePrecision = "average_precision",
    /// The mean logarithm of the probability of the true class, which is kept off 0 and 1.
    NegLogLoss = "neg_log_loss",
    /// The mean squared error of the probabilities, negated: of the second of two classes, else
    /// the sum over the classes.
    NegBrierScore = "neg_brier_score",
    /// The share of the log loss of the classes' shares that is explained.
    D2LogLossScore = "d2_log_loss_score",
    /// The share of the Brier score of the classes' shares that is explained.
    D2BrierScore = "d2_brier_score",
    /// How far the predicted class's probability is from the share of right rows, negated: the
    /// mean over ten bins of equal width (0 to 0.1, …), weighted by their rows.
    NegExpectedCalibrationError = "neg_expected_calibration_error",
    /// The share of the target's variance that is explained, the mean error included.
    R2 = "r2",
    /// The share of the target's variance that is explained, the mean error left out.
    ExplainedVariance = "explained_variance",
    /// The mean squared error, negated.
    NegMeanSquaredError = "neg_mean_squared_error",
    /// The root of the mean squared error, negated.
    NegRootMeanSquaredError = "neg_root_mean_squared_error",
    /// The mean absolute error, negated.
    NegMeanAbsoluteError = "neg_mean_absolute_error",
    /// The median absolute error, negated.
    NegMedianAbsoluteError = "neg_median_absolute_error",
    /// The largest absolute error, negated; of one output only.
    NegMaxError = "neg_max_error",
    /// The mean of the absolute errors as shares of the target, negated. A target of 0 makes it
    /// very large.
    NegMeanAbsolutePercentageError = "neg_mean_absolute_percentage_error",
    /// The mean squared error of log(1 + value), negated; of values above -1.
    NegMeanSquaredLogError = "neg_mean_squared_log_error",
    /// Its root, negated; of values above -1.
    NegRootMeanSquaredLogError = "neg_root_mean_squared_log_error",
    /// The mean pinball loss at the median, negated.
    NegMeanPinballLoss = "neg_mean_pinball_loss",
    /// The mean Poisson deviance, negated; of targets from 0 and predictions above 0, one output.
    NegMeanPoissonDeviance = "neg_mean_poisson_deviance",
    /// The mean gamma deviance, negated; of targets and predictions above 0, one output.
    NegMeanGammaDeviance = "neg_mean_gamma_deviance",
    /// The share of the absolute error of the median that is explained.
    D2AbsoluteErrorScore = "d2_absolute_error_score",
    /// The share of the pinball loss of the median that is explained.
    D2PinballScore = "d2_pinball_score",
    /// The share of the Tweedie deviance of power 0 that is explained; of one output only.
    D2Tweedie = "d2_tweedie",
}

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u64);

impl Share {
    /// `None` for what is no share.
    pub fn new(share: f64) -> Option<Self> {
        // Numbers that are not negative are ordered as their bits are; a zero has no sign here.
        (0.0..=1.0).contains(&share).then(|| Self((share + 0.0).to_bits()))
    }

    /// The number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Scorer {
    /// [`Self::TopKAccuracy`] among so many.
    pub fn top_k(k: u32) -> Self {
        if k == 2 { Self::TopKAccuracy } else { Self::TopK(k) }
    }

    /// [`Self::NegMeanPinballLoss`] at such a share.
    pub fn pinball(alpha: Share) -> Self {
        if alpha.get() == 0.5 { Self::NegMeanPinballLoss } else { Self::Pinball(alpha) }
    }

    /// How many classes a row's own may be among, of the scorers that count so.
    pub fn k(self) -> Option<u32> {
        match self {
            Self::TopKAccuracy => Some(2),
            Self::TopK(k) => Some(k),
            _ => None,
        }
    }

    /// Whether it is a score of such a target.
    pub fn fits(self, target: TargetKind) -> bool {
        match target {
            TargetKind::Classes { n_classes } => {
                self.is_of_classes()
                    && !self.is_of_rows()
                    && (n_classes <= 2 || !self.is_of_second_class())
            }
            TargetKind::Values { n_outputs } => {
                !self.is_of_classes() && (n_outputs == 1 || !self.is_of_one_output())
            }
            TargetKind::Labels { .. } => self.fits_labels(),
        }
    }

    /// Whether it is a score of labels, of which a row may have several.
    pub fn fits_labels(self) -> bool {
        use Scorer::*;
        self.is_of_rows()
            || matches!(self, Accuracy | F1Macro | F1Micro | F1Weighted)
            || matches!(self, PrecisionMacro | PrecisionMicro | PrecisionWeighted)
            || matches!(self, RecallMacro | RecallMicro | RecallWeighted)
            || matches!(self, JaccardMacro | JaccardMicro | JaccardWeighted)
            || matches!(self, RocAuc | AveragePrecision)
    }

    /// The scorer that is meant most likely where this one does not fit, if there is one.
    pub fn instead(self, target: TargetKind) -> Option<Self> {
        use Scorer::*;
        let two = matches!(target, TargetKind::Classes { n_classes } if n_classes <= 2);
        let near = match self {
            F1Samples if two => F1,
            PrecisionSamples if two => Precision,
            RecallSamples if two => Recall,
            JaccardSamples if two => Jaccard,
            F1 | F1Samples => F1Macro,
            Precision | PrecisionSamples => PrecisionMacro,
            Recall | RecallSamples => RecallMacro,
            Jaccard | JaccardSamples => JaccardMacro,
            RocAuc => RocAucOvr,
            RocAucOvr | RocAucOvo | RocAucOvrWeighted | RocAucOvoWeighted => RocAuc,
            BalancedAccuracy => RecallMacro,
            NegMaxError => NegMeanAbsoluteError,
            D2Tweedie => R2,
            _ => return None,
        };
        Some(near).filter(|near| near.fits(target))
    }

    /// Whether it needs the classes' probabilities.
    pub fn needs_probabilities(self) -> bool {
        use Scorer::*;
        matches!(
            self,
            RocAucOvr
                | RocAucOvrWeighted
                | RocAucOvo
                | RocAucOvoWeighted
                | NegLogLoss
                | NegBrierScore
                | D2LogLossScore
                | D2BrierScore
                | NegExpectedCalibrationError
        )
    }

    /// Whether it needs the classes' probabilities or, without them, their decision values.
    pub fn ranks(self) -> bool {
        matches!(self, Self::RocAuc | Self::AveragePrecision) || self.k().is_some()
    }

    /// Whether rows can count differently in it.
    pub fn takes_weights(self) -> bool {
        !matches!(self, Self::RocAucOvo | Self::RocAucOvoWeighted | Self::NegMaxError)
    }

    /// What makes it undefined, in words that follow "it needs".
    pub fn needs(self) -> &'static str {
        use Scorer::*;
        match self {
            RocAuc | AveragePrecision | RocAucOvr | RocAucOvrWeighted | RocAucOvo
            | RocAucOvoWeighted => "a row of every class, and finite predictions",
            CohenKappa => "rows of more than one class",
            D2LogLossScore | D2BrierScore => {
                "rows of more than one class, and probabilities from 0 to 1"
            }
            NegLogLoss | NegBrierScore | NegExpectedCalibrationError => "probabilities from 0 to 1",
            R2 | D2AbsoluteErrorScore | D2PinballScore => "two rows, and finite predictions",
            D2Tweedie => "targets that differ, and finite predictions",
            NegMeanSquaredLogError | NegRootMeanSquaredLogError => {
                "targets and predictions above -1"
            }
            NegMeanPoissonDeviance => "targets from 0 and predictions above 0",
            NegMeanGammaDeviance => "targets and predictions above 0",
            _ => "rows with finite predictions",
        }
    }

    fn is_of_second_class(self) -> bool {
        matches!(self, Self::F1 | Self::Precision | Self::Recall | Self::Jaccard | Self::RocAuc)
    }

    fn is_of_rows(self) -> bool {
        use Scorer::*;
        matches!(self, F1Samples | PrecisionSamples | RecallSamples | JaccardSamples)
    }

    fn is_of_one_output(self) -> bool {
        use Scorer::*;
        matches!(self, NegMaxError | NegMeanPoissonDeviance | NegMeanGammaDeviance | D2Tweedie)
    }

    fn is_of_classes(self) -> bool {
        use Scorer::*;
        !matches!(
            self,
            R2 | ExplainedVariance
                | NegMeanSquaredError
                | NegRootMeanSquaredError
                | NegMeanAbsoluteError
                | NegMedianAbsoluteError
                | NegMaxError
                | NegMeanAbsolutePercentageError
                | NegMeanSquaredLogError
                | NegRootMeanSquaredLogError
                | NegMeanPinballLoss
                | Pinball(_)
                | NegMeanPoissonDeviance
                | NegMeanGammaDeviance
                | D2AbsoluteErrorScore
                | D2PinballScore
                | D2Tweedie
        )
    }
}

-- Jobs that train several specs: those of a validation curve's points.

ALTER TABLE jobs ADD COLUMN variants TEXT; -- JSON; null where there is one spec

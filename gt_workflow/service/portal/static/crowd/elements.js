// Ground Truth's elements as worker templates use them; the frame of a task loads this module.

import { CrowdBoundingBox } from "./bounding_box.js";
import { CrowdForm } from "./form.js";
import { CrowdImageClassifier } from "./image_classifier.js";
import { FullInstructions, ShortInstructions, WorkerComment } from "./regions.js";
import { simple } from "./simple.js";

const elements = {
  "full-instructions": FullInstructions,
  "short-instructions": ShortInstructions,
  "worker-comment": WorkerComment,
  ...simple,
  "crowd-bounding-box": CrowdBoundingBox,
  "crowd-image-classifier": CrowdImageClassifier,
  // Last: a form looks at what is in it.
  "crowd-form": CrowdForm,
};

for (const [name, element] of Object.entries(elements)) {
  if (!customElements.get(name)) customElements.define(name, element);
}
// Templates' own scripts wait for this before they touch an element.
document.dispatchEvent(new CustomEvent("all-crowd-elements-ready", { bubbles: true }));

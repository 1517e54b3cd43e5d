// Stands in the place of AWS's script, which templates load as a classic one.

import(new URL("elements.js", document.currentScript.src));

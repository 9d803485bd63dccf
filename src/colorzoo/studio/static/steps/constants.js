/** Constants of the steps by the name of their file: colorzoo.studio.step_constants writes them from Python's. */

/** @type {Record<string, any>} */
const CONSTANTS = {};

/** @param {Record<string, any>} given of the catalog, set once before the first step */
function setConstants(given) {
  Object.assign(CONSTANTS, given);
}

export { CONSTANTS, setConstants };

/** The error of edits files that cannot be read. */

/** @param {string} part of the file @returns {Error} with a message for the user */
export const damagedFile = (part) => new Error(`This edits file is damaged: ${part} cannot be read. Choose “Load edits” and another file.`);

/**
 * Zoom and pan: conversion between pixels of the photo and of the stage.
 *
 * @typedef {{scale: number, x: number, y: number}} View  CSS pixels per photo pixel; photo point at the center of the stage
 * @typedef {{width: number, height: number}} Size
 */

import { clamp } from "./color.js";

const MARGIN = 20;
const BAR_HEIGHT = 44; // CSS pixels for the buttons at the bottom of the stage
const MAX_ZOOM = 32;
const LEAST_SHARE = 0.3; // minimum fraction of the stage for the shorter side of a photo in the first view

function fitScale(photo, stage) {
  const free = (length) => Math.max(40, length - 2 * MARGIN);
  return Math.min(free(stage.width) / photo.width, free(stage.height - BAR_HEIGHT) / photo.height, 8);
}

export function fitView(photo, stage) {
  const scale = fitScale(photo, stage);
  return { scale, x: photo.width / 2, y: photo.height / 2 + Math.min(BAR_HEIGHT / 2 / scale, photo.height / 2) };
}

/** Return the first view of a photo: the whole photo, or the middle of a long photo. */
export function firstView(photo, stage) {
  const view = fitView(photo, stage);
  const thin = (side, room) => Math.min((room * LEAST_SHARE) / side, 1);
  const scale = Math.max(view.scale, photo.width > photo.height ? thin(photo.height, stage.height - BAR_HEIGHT) : thin(photo.width, stage.width));
  return scale === view.scale ? view : { scale, x: photo.width / 2, y: photo.height / 2 };
}

/** @param {View} view @param {Size} stage @param {number} x @param {number} y @returns {[number, number]} on the stage */
export const toStage = (view, stage, x, y) => [stage.width / 2 + (x - view.x) * view.scale, stage.height / 2 + (y - view.y) * view.scale];

/** @param {View} view @param {Size} stage @param {number} x @param {number} y @returns {[number, number]} in the photo */
export const toPhoto = (view, stage, x, y) => [view.x + (x - stage.width / 2) / view.scale, view.y + (y - stage.height / 2) / view.scale];

export function limitView(view, photo, stage) {
  const least = Math.min(fitScale(photo, stage), 1) / 2;
  const scale = clamp(view.scale, least, MAX_ZOOM);
  return { scale, x: clamp(view.x, 0, photo.width), y: clamp(view.y, 0, photo.height) };
}

/**
 * Zoom around a place, which stays where it is.
 * @param {View} view @param {Size} photo @param {Size} stage @param {number} factor @param {[number, number]} at on the stage @returns {View}
 */
export function zoomAt(view, photo, stage, factor, at) {
  const [x, y] = toPhoto(view, stage, ...at);
  const { scale } = limitView({ ...view, scale: view.scale * factor }, photo, stage);
  const moved = { scale, x: x - (at[0] - stage.width / 2) / scale, y: y - (at[1] - stage.height / 2) / scale };
  return limitView(moved, photo, stage);
}

export function panBy(view, photo, stage, dx, dy) {
  return limitView({ ...view, x: view.x - dx / view.scale, y: view.y - dy / view.scale }, photo, stage);
}

/** Move the view as little as necessary to show a position of the photo. */
export function reveal(view, photo, stage, x, y) {
  const [left, top] = toStage(view, stage, x, y);
  const dx = clamp(left, 30, Math.max(30, stage.width - 30)) - left;
  const dy = clamp(top, 30, Math.max(30, stage.height - 30)) - top;
  return dx || dy ? panBy(view, photo, stage, dx, dy) : view;
}

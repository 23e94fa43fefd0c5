/** A photo of a document, by the camera of this device. */

import { button, element, t } from './dom.js';

/** The photo as a file; null where the reader gave up. Throws where there is no camera, or it may not be used. */
export async function takePhoto() {
  const size = { width: { ideal: 3840 }, height: { ideal: 2160 } };
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', ...size } });
  const video = element('video', { autoplay: true, playsinline: true, muted: true });
  video.srcObject = stream;
  try {
    return await ask(video);
  } finally {
    for (const track of stream.getTracks()) track.stop();
  }
}

function ask(video) {
  return new Promise((resolve) => {
    const shoot = button(t('take_photo'), async () => {
      const photo = await fileOf(video);
      resolve(photo);
      dialog.close();
    }, { class: 'primary', disabled: true });
    video.addEventListener('loadeddata', () => (shoot.disabled = false), { once: true });
    const leave = () => {
      dialog.remove();
      resolve(null);
    };
    const dialog = element('dialog', { class: 'camera', 'aria-label': t('camera'), close: leave },
      video, element('p', { class: 'row end' }, button(t('close'), () => dialog.close()), shoot));
    document.body.append(dialog);
    dialog.showModal();
  });
}

async function fileOf(video) {
  const canvas = element('canvas', { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext('2d').drawImage(video, 0, 0);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.92));
  return new File([blob], 'photo.jpg', { type: 'image/jpeg' });
}
